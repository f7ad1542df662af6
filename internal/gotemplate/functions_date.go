package gotemplate

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// dateFunctions are sprig's, except that they know no local time: what they make does not depend on where this process
// runs. And what they cannot read is an error, where sprig takes the time now, UTC, or 0.
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
	"must_date_modify": {modified, boundShort},
	"mustDateModify":   {modified, boundShort},
	"toDate":           {toDate, boundShort},
	"mustToDate":       {toDate, boundShort},
	"unixEpoch":        {unixEpoch, boundShort},
	"duration":         {duration, boundShort},
	"durationRound":    {durationRound, boundShort},
}

const (
	aTime       = "a time, such as 2024-05-01T23:30:00Z, 2024-05-01, or seconds since 1970 (toDate reads other forms)"
	aDuration   = "a duration, such as 1h30m"
	aZone       = "a time zone, such as Europe/Paris"
	someSeconds = "a number of seconds"
)

// firstSecond and lastSecond are the first second of the year 0 and the last one of the year 9999: RFC 3339 has no
// others.
const firstSecond, lastSecond = -62167219200, 253402300799

var (
	errYears   = errors.New("the time is not in the years 0 to 9999")
	errSeconds = fmt.Errorf("%w: it takes seconds since 1970, so divide milliseconds by 1000", errYears)
)

// toTime takes a time, a text in RFC 3339, a date without a time, or seconds since 1970. It returns the others in UTC.
func toTime(date any) (time.Time, error) {
	if date, ok := date.(instant); ok {
		return date.time(), nil
	}
	if text, ok := date.(string); ok {
		for _, layout := range []string{time.RFC3339, time.DateOnly} {
			if t, err := time.Parse(layout, text); err == nil {
				return inYears(t.UTC())
			}
		}
	}
	n, err := numberOf(date, aTime)
	if err != nil {
		return time.Time{}, err
	}
	if f, ok := n.(float64); ok && f > firstSecond && f < lastSecond {
		whole, part := math.Modf(f)
		return inYears(time.Unix(int64(whole), int64(part*1e9)).UTC())
	}
	if n, ok := n.(int64); ok && n >= firstSecond && n <= lastSecond {
		return time.Unix(n, 0).UTC(), nil
	}
	return time.Time{}, errSeconds
}

// inYears refuses times whose year does not have four digits.
func inYears(t time.Time) (time.Time, error) {
	if s := t.Unix(); s < firstSecond || s > lastSecond {
		return t, errYears
	}
	return t, nil
}

func inZone(layout string, date any, zone string) (string, error) {
	if err := checkLayout(layout); err != nil {
		return "", err
	}
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" || zone == "" {
		return "", unreadable(aZone, zone)
	}
	t, err := toTime(date)
	if err != nil {
		return "", err
	}
	return t.In(location).Format(layout), nil
}

func htmlDateInZone(date any, zone string) (string, error) { return inZone(time.DateOnly, date, zone) }

// ago returns the time since date, like sprig's ago.
func ago(date any) (string, error) {
	d, err := since(date)
	return d.Round(time.Second).String(), err
}

// since returns the time since date.
func since(date any) (time.Duration, error) {
	t, err := toTime(date)
	if err != nil {
		return 0, err
	}
	d := time.Since(t)
	if d == math.MaxInt64 || d == math.MinInt64 {
		return 0, errors.New("the time is more than 292 years away")
	}
	return d, nil
}

// modified returns the time that is later than date by a duration, or earlier if that is negative.
func modified(by string, date any) (instant, error) {
	d, err := time.ParseDuration(by)
	if err != nil {
		return instant{}, unreadable(aDuration, by)
	}
	t, err := toTime(date)
	if err != nil {
		return instant{}, err
	}
	t, err = inYears(t.Add(d))
	return newInstant(t), err
}

// toDate reads a text that has the form of layout. For an abbreviation that is not known, such as PST or GMT+3,
// the time package takes the time for one in UTC.
func toDate(layout, text string) (instant, error) {
	if err := checkLayout(layout); err != nil {
		return instant{}, err
	}
	t, err := time.ParseInLocation(layout, text, time.UTC)
	if err != nil {
		return instant{}, unreadable("a time in the layout", text)
	}
	if zone, _ := t.Zone(); !knownZones[zone] && !strings.Contains(layout, "07") {
		return instant{}, errAbbreviation
	}
	return newInstant(t), nil
}

// knownZones are the abbreviations of time zones that stand for one offset. The empty one is of a numeric offset.
var knownZones = map[string]bool{"": true, "UTC": true, "GMT": true}

var errAbbreviation = errors.New(
	"of the abbreviations of time zones, only UTC and GMT are known: PST or IST stands for other offsets elsewhere",
)

func unixEpoch(date any) (string, error) {
	t, err := toTime(date)
	return strconv.FormatInt(t.Unix(), 10), err
}

// duration writes a number of seconds as a duration.
func duration(value any) (string, error) {
	n, err := numberOf(value, someSeconds)
	if err != nil {
		return "", err
	}
	whole, part := int64(0), time.Duration(0)
	if f, ok := n.(float64); ok {
		n, part = math.Trunc(f), time.Duration((f-math.Trunc(f))*1e9)
	}
	if whole, err = truncated(n); err != nil {
		return "", err
	}
	if most := int64(math.MaxInt64 / time.Second); whole >= most || whole <= -most {
		return "", errors.New("the duration is more than 292 years")
	}
	return (time.Duration(whole)*time.Second + part).String(), nil
}

// durationRound names a duration by its largest unit only, like 3d. It takes a duration as text, nanoseconds, or a time
// from which on it counts.
func durationRound(value any) (string, error) {
	d, err := durationOf(value)
	if err != nil {
		return "", err
	}
	const day = 24 * time.Hour
	d = max(d, -max(d, -math.MaxInt64))
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"y", 365 * day}, {"mo", 30 * day}, {"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}} {
		if d >= unit.size {
			return strconv.FormatInt(int64(d/unit.size), 10) + unit.name, nil
		}
	}
	return "0s", nil
}

func durationOf(value any) (time.Duration, error) {
	switch value := value.(type) {
	case instant:
		return since(value)
	case string:
		if d, err := time.ParseDuration(value); err == nil {
			return d, nil
		}
		if t, err := time.Parse(time.RFC3339, value); err == nil {
			return since(newInstant(t))
		}
		return 0, unreadable(aDuration, value)
	}
	n, err := whole(value)
	if err != nil {
		return 0, unreadable(aDuration, value)
	}
	return time.Duration(n), nil
}
