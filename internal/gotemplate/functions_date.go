package gotemplate

import (
	"errors"
	"fmt"
	"strconv"
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

// dateFunctions are sprig's, except that they know no local time: what they make does not depend on where this process
// runs. An unknown time zone is an error, where sprig takes UTC.
var dateFunctions = map[string]function{
	"now":              {func() instant { return newInstant(time.Now().UTC()) }, boundConstant(32)},
	"ago":              {ago, boundShort},
	"date":             {func(layout string, date any) (string, error) { return inZone(layout, date, "UTC") }, boundShort},
	"date_in_zone":     {inZone, boundShort},
	"dateInZone":       {inZone, boundShort},
	"htmlDate":         {func(date any) (string, error) { return inZone(time.DateOnly, date, "UTC") }, boundShort},
	"htmlDateInZone":   {htmlDateInZone, boundShort},
	"date_modify":      {modified, boundShort},
	"dateModify":       {modified, boundShort},
	"must_date_modify": {mustModified, boundShort},
	"mustDateModify":   {mustModified, boundShort},
	"toDate":           {toDate, boundShort},
	"mustToDate":       {mustToDate, boundShort},
	"unixEpoch":        {func(date instant) string { return strconv.FormatInt(date.Unix(), 10) }, boundConstant(32)},
	"duration":         {duration, boundShort},
	"durationRound":    {durationRound, boundShort},
}

// toTime takes a time, or seconds since 1970. Anything else is now, as in sprig.
func toTime(date any) time.Time {
	switch date := date.(type) {
	case instant:
		return date.time()
	case int64:
		return time.Unix(date, 0)
	case int:
		return time.Unix(int64(date), 0)
	case int32:
		return time.Unix(int64(date), 0)
	}
	return time.Now()
}

func inZone(layout string, date any, zone string) (string, error) {
	if len(layout) > maxLayout {
		return "", errLayout
	}
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return "", errors.New("unknown time zone " + strconv.Quote(zone))
	}
	return toTime(date).In(location).Format(layout), nil
}

func htmlDateInZone(date any, zone string) (string, error) { return inZone(time.DateOnly, date, zone) }

// ago returns the time since date, like sprig's ago.
func ago(date any) string { return time.Since(toTime(date)).Round(time.Second).String() }

func modified(by string, date instant) instant {
	if changed, err := mustModified(by, date); err == nil {
		return changed
	}
	return date
}

func mustModified(by string, date instant) (instant, error) {
	d, err := time.ParseDuration(by)
	return newInstant(date.time().Add(d)), err
}

func toDate(layout, text string) instant {
	date, _ := mustToDate(layout, text)
	return date
}

func mustToDate(layout, text string) (instant, error) {
	date, err := time.ParseInLocation(layout, text, time.UTC)
	return newInstant(date), err
}

func duration(seconds any) string {
	var n int64
	switch seconds := seconds.(type) {
	case string:
		n, _ = strconv.ParseInt(seconds, 10, 64)
	case int64:
		n = seconds
	case int:
		n = int64(seconds)
	}
	return (time.Duration(n) * time.Second).String()
}

// durationRound names a duration by its largest unit only, like 3d.
func durationRound(value any) string {
	var d time.Duration
	switch value := value.(type) {
	case string:
		d, _ = time.ParseDuration(value)
	case int64:
		d = time.Duration(value)
	case instant:
		d = time.Since(value.time())
	}
	const day = 24 * time.Hour
	d = max(d, -d)
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"y", 365 * day}, {"mo", 30 * day}, {"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}} {
		if d > unit.size {
			return strconv.FormatInt(int64(d/unit.size), 10) + unit.name
		}
	}
	return "0s"
}
