package reports

// Harmless is text of a report as one line that a terminal shows and does not
// obey: control and direction characters are written out.
func Harmless(s string) string { return line(s) }
