package gotemplate

import "errors"

// randomFunctions are sprig's, except that a negative length is an error.
var randomFunctions = map[string]function{
	"randAlphaNum": {randomText("randAlphaNum"), boundByFirstArg(4)},
	"randAlpha":    {randomText("randAlpha"), boundByFirstArg(4)},
	"randAscii":    {randomText("randAscii"), boundByFirstArg(4)},
	"randNumeric":  {randomText("randNumeric"), boundByFirstArg(4)},
	"randBytes":    {sprigFunctions["randBytes"], boundByFirstArg(3)},
}

func randomText(name string) func(int) (string, error) {
	random := sprigFunctions[name].(func(int) string)
	return func(length int) (string, error) {
		if length < 0 {
			return "", errors.New("a length cannot be negative")
		}
		return random(length), nil
	}
}
