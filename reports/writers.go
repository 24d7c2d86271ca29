package reports

// Writers returns the writer of each format (--report FORMAT). Text is without
// color; Text(true) colors it.
func Writers() map[string]Writer {
	return map[string]Writer{
		"text":     Text(false),
		"json":     JSON,
		"junit":    JUnit,
		"html":     HTML,
		"markdown": Markdown,
		"github":   GitHub,
		"ctrf":     CTRF,
		"badge":    Badge,
		"messages": Messages,
	}
}
