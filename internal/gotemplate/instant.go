package gotemplate

import (
	"fmt"
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
	if len(layout) > maxLayout {
		return "", errLayout
	}
	return i.time().Format(layout), nil
}

// maxLayout is how long a layout may be.
const maxLayout = 256

var errLayout = fmt.Errorf("a date layout may have at most %d bytes", maxLayout)
