package gotemplate

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// instant is a time as templates see it. It has only those methods of time.Time that make little: text/template calls
// methods itself, outside of the budget. And it has no pointer to its time zone, which could be printed.
type instant struct {
	seconds     int64
	nanoseconds int64
	zone        string
	offset      int
}

func newInstant(t time.Time) instant {
	zone, offset := t.Zone()
	return instant{t.Unix(), int64(t.Nanosecond()), zone, offset}
}

func (i instant) time() time.Time {
	t := time.Unix(i.seconds, i.nanoseconds)
	if i.offset == 0 && (i.zone == "UTC" || i.zone == "") {
		return t.UTC()
	}
	return t.In(time.FixedZone(i.zone, i.offset))
}

func (i instant) String() string               { return i.time().String() }
func (i instant) MarshalText() ([]byte, error) { return i.time().MarshalText() }
func (i instant) Unix() int64                  { return i.time().Unix() }
func (i instant) UnixMilli() int64             { return i.time().UnixMilli() }
func (i instant) UnixNano() int64              { return i.time().UnixNano() }
func (i instant) Year() int                    { return i.time().Year() }
func (i instant) Month() string                { return i.time().Month().String() }
func (i instant) Day() int                     { return i.time().Day() }
func (i instant) YearDay() int                 { return i.time().YearDay() }
func (i instant) Weekday() string              { return i.time().Weekday().String() }
func (i instant) Hour() int                    { return i.time().Hour() }
func (i instant) Minute() int                  { return i.time().Minute() }
func (i instant) Second() int                  { return i.time().Second() }
func (i instant) UTC() instant                 { return newInstant(i.time().UTC()) }

// Format prints the time as layout says.
func (i instant) Format(layout string) (string, error) {
	if err := checkLayout(layout); err != nil {
		return "", err
	}
	return i.time().Format(layout), nil
}

// maxLayout is how long a layout may be.
const maxLayout = 256

var (
	errLayout      = fmt.Errorf("a date layout may have at most %d bytes", maxLayout)
	errOtherLayout = errors.New("the layout must say how it writes the time 2006-01-02 15:04:05, such as 02.01.2006")
)

// otherLayouts matches what says in other languages how to write a time, and would be printed as it is.
var otherLayouts = regexp.MustCompile(
	`(?:^|[^A-Za-z])(?:YYYY|yyyy|YY|yy|MM|DD|dd|HH|hh|mm|ss)(?:$|[^A-Za-z])|%[YmdHMSFT]`)

// someTime has another value than a layout in each of its parts.
var someTime = time.Date(1987, 11, 23, 19, 48, 56, 987654321, time.FixedZone("XYZ", 5*3600))

// checkLayout refuses a layout that writes no part of a time: it would be taken for the time itself.
func checkLayout(layout string) error {
	switch {
	case len(layout) > maxLayout:
		return errLayout
	case someTime.Format(layout) == layout || otherLayouts.MatchString(layout):
		return errOtherLayout
	}
	return nil
}
