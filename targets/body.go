package targets

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	shownBody    = 16 << 10      // bytes of a body that reports show
	searchedBody = 2 * shownBody // bytes of a body that are searched for secrets
)

// readBounded reads to the end, but at most limit bytes; truncated tells that
// there was more.
func readBounded(r io.Reader, limit int64) (data []byte, truncated bool, err error) {
	data, err = io.ReadAll(io.LimitReader(r, limit+1))
	if int64(len(data)) > limit {
		return data[:limit], true, nil
	}
	return data, false, err
}

// gunzip undoes gzip within the same bound, so that a compression bomb costs
// no more than a plain body. Data that was cut off before gives what it holds.
func gunzip(data []byte, cut bool, limit int64) (plain []byte, truncated bool, err error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, cut, fmt.Errorf("gzip: %w", err)
	}
	plain, truncated, err = readBounded(z, limit)
	if err != nil && cut && errors.Is(err, io.ErrUnexpectedEOF) {
		return plain, true, nil
	}
	if err != nil {
		return nil, cut, fmt.Errorf("gzip: %w", err)
	}
	return plain, truncated || cut, nil
}

// shown is a body as reports show it: bytes that are not UTF-8 escaped,
// secrets removed before the text is cut, so that no part of one is left.
func (r *Redactor) shown(body []byte, truncated bool) string {
	// Only the beginning is searched: the rest is not shown, and a body may be
	// long for no other reason than to cost time.
	window := body[:min(len(body), searchedBody)]
	text := escapeInvalid(window)
	if truncated || len(window) < len(body) {
		text = r.cutString(text)
	} else {
		text = r.String(text)
	}
	end := min(len(text), shownBody)
	for end < len(text) && end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	hidden := len(text) - end + len(body) - len(window)
	if hidden == 0 {
		return text
	}
	return fmt.Sprintf("%s… (%d bytes more)", text[:end], hidden)
}

// escapeInvalid writes each byte that is not UTF-8 as \xNN.
func escapeInvalid(body []byte) string {
	if utf8.Valid(body) {
		return string(body)
	}
	var b strings.Builder
	for len(body) > 0 {
		r, size := utf8.DecodeRune(body)
		if r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&b, `\x%02x`, body[0])
		} else {
			b.Write(body[:size])
		}
		body = body[size:]
	}
	return b.String()
}
