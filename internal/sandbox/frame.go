package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// A frame is four bytes of length, the highest first, and as many bytes of content. The content is a row of fields:
// numbers as uvarints, and texts with their length before them.

// maxFrame bounds a frame. A template and a payload, which together are the largest, have at most 3 MiB and 1 MiB.
const maxFrame = 8 << 20

const headerSize = 4

var errFrameTooLarge = fmt.Errorf("a frame may have at most %d bytes", maxFrame)

// newFrame returns the beginning of a frame, to append fields to.
func newFrame(capacity int) []byte { return make([]byte, headerSize, headerSize+capacity) }

// seal writes the length into a frame.
func seal(frame []byte) ([]byte, error) {
	if len(frame)-headerSize > maxFrame {
		return nil, errFrameTooLarge
	}
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-headerSize))
	return frame, nil
}

// readFrame reads a frame and returns its content.
func readFrame(r io.Reader) ([]byte, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(header[:])
	if size > maxFrame {
		return nil, errFrameTooLarge
	}
	content := make([]byte, size)
	if _, err := io.ReadFull(r, content); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return content, nil
}

func appendNumber(frame []byte, n int) []byte { return binary.AppendUvarint(frame, uint64(n)) }

func appendText[T string | []byte](frame []byte, text T) []byte {
	return append(appendNumber(frame, len(text)), text...)
}

func appendTexts(frame []byte, texts []string) []byte {
	frame = appendNumber(frame, len(texts))
	for _, text := range texts {
		frame = appendText(frame, text)
	}
	return frame
}

// fields reads the fields of a frame. After an error, everything is zero.
type fields struct {
	rest []byte
	err  error
}

func (f *fields) fail(format string, args ...any) {
	if f.err == nil {
		f.err = fmt.Errorf(format, args...)
	}
	f.rest = nil
}

// number reads a number that is at most most.
func (f *fields) number(most int) int {
	n, size := binary.Uvarint(f.rest)
	if size <= 0 || n > uint64(most) {
		f.fail("a number is missing or greater than %d", most)
		return 0
	}
	f.rest = f.rest[size:]
	return int(n)
}

// bytes reads a text of at most most bytes. It shares the frame's memory.
func (f *fields) bytes(most int) []byte {
	n := f.number(most)
	if n > len(f.rest) {
		f.fail("a text of %d bytes is cut off", n)
		return nil
	}
	text := f.rest[:n]
	f.rest = f.rest[n:]
	return text
}

// text reads valid UTF-8.
func (f *fields) text(most int) string { return strings.ToValidUTF8(string(f.bytes(most)), "\uFFFD") }

// texts reads a list of at most most texts, which together are no longer than the frame. A text takes a byte at least,
// so a short frame cannot announce a long list.
func (f *fields) texts(most int) []string {
	n := f.number(min(most, len(f.rest)))
	texts := make([]string, 0, n)
	for range n {
		texts = append(texts, f.text(maxFrame))
	}
	return texts
}

// end says what was wrong, if only that the frame goes on.
func (f *fields) end() error {
	if f.err == nil && len(f.rest) > 0 {
		return fmt.Errorf("%d bytes follow the last field", len(f.rest))
	}
	return f.err
}
