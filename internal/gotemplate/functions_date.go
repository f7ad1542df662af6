package gotemplate

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// instant is a time as templates see it. It has only those methods of time.Time that make little: text/template calls
// methods itself, past the guard.
type instant time.Time

func (i instant) String() string               { return time.Time(i).String() }
func (i instant) MarshalText() ([]byte, error) { return time.Time(i).MarshalText() }
func (i instant) Unix() int64                  { return time.Time(i).Unix() }
func (i instant) UnixMilli() int64             { return time.Time(i).UnixMilli() }
func (i instant) UnixNano() int64              { return time.Time(i).UnixNano() }
func (i instant) Year() int                    { return time.Time(i).Year() }
func (i instant) Month() string                { return time.Time(i).Month().String() }
func (i instant) Day() int                     { return time.Time(i).Day() }
func (i instant) YearDay() int                 { return time.Time(i).YearDay() }
func (i instant) Weekday() string              { return time.Time(i).Weekday().String() }
func (i instant) Hour() int                    { return time.Time(i).Hour() }
func (i instant) Minute() int                  { return time.Time(i).Minute() }
func (i instant) Second() int                  { return time.Time(i).Second() }
func (i instant) UTC() instant                 { return instant(time.Time(i).UTC()) }

// Format prints the time as layout says.
func (i instant) Format(layout string) (string, error) {
	if len(layout) > maxLayout {
		return "", errLayout
	}
	return time.Time(i).Format(layout), nil
}

// maxLayout is how long a layout may be.
const maxLayout = 256

var errLayout = fmt.Errorf("a date layout may have at most %d bytes", maxLayout)

// dateFunctions are sprig's, except that they know no local time: what they make does not depend on where this process
// runs. An unknown time zone is an error, where sprig takes UTC.
var dateFunctions = map[string]function{
	"now":              {func() instant { return instant(time.Now().UTC()) }, fixed(32)},
	"ago":              {func(date any) string { return time.Since(toTime(date)).Round(time.Second).String() }, short},
	"date":             {func(layout string, date any) (string, error) { return inZone(layout, date, "UTC") }, short},
	"date_in_zone":     {inZone, short},
	"dateInZone":       {inZone, short},
	"htmlDate":         {func(date any) (string, error) { return inZone(time.DateOnly, date, "UTC") }, short},
	"htmlDateInZone":   {func(date any, zone string) (string, error) { return inZone(time.DateOnly, date, zone) }, short},
	"date_modify":      {modified, short},
	"dateModify":       {modified, short},
	"must_date_modify": {mustModified, short},
	"mustDateModify":   {mustModified, short},
	"toDate":           {toDate, short},
	"mustToDate":       {mustToDate, short},
	"unixEpoch":        {func(date instant) string { return strconv.FormatInt(date.Unix(), 10) }, fixed(32)},
	"duration":         {duration, short},
	"durationRound":    {durationRound, short},
}

// toTime takes a time, or seconds since 1970. Anything else is now, as in sprig.
func toTime(date any) time.Time {
	switch date := date.(type) {
	case instant:
		return time.Time(date)
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

func modified(by string, date instant) instant {
	if changed, err := mustModified(by, date); err == nil {
		return changed
	}
	return date
}

func mustModified(by string, date instant) (instant, error) {
	d, err := time.ParseDuration(by)
	return instant(time.Time(date).Add(d)), err
}

func toDate(layout, text string) instant {
	date, _ := mustToDate(layout, text)
	return date
}

func mustToDate(layout, text string) (instant, error) {
	date, err := time.ParseInLocation(layout, text, time.UTC)
	return instant(date), err
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
		d = time.Since(time.Time(value))
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
