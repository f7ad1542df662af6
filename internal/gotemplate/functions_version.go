package gotemplate

import "github.com/Masterminds/semver/v3"

// version is a semantic version as templates see it: sprig's has methods that make new values past the guard.
type version struct {
	Major, Minor, Patch            uint64
	Prerelease, Metadata, Original string
}

const aVersion = "a version, such as 1.2.3"

// semverCompare says whether a version meets a constraint, such as ^1.2.
func semverCompare(constraint, text string) (bool, error) {
	c, err := semver.NewConstraint(constraint)
	if err != nil {
		return false, unreadable("a constraint for versions, such as ^1.2", constraint)
	}
	v, err := semver.NewVersion(text)
	if err != nil {
		return false, unreadable(aVersion, text)
	}
	return c.Check(v), nil
}

// newVersion parses a semantic version.
func newVersion(text string) (version, error) {
	v, err := semver.NewVersion(text)
	if err != nil {
		return version{}, unreadable(aVersion, text)
	}
	return version{v.Major(), v.Minor(), v.Patch(), v.Prerelease(), v.Metadata(), v.Original()}, nil
}

func (v version) parsed() *semver.Version {
	return semver.New(v.Major, v.Minor, v.Patch, v.Prerelease, v.Metadata)
}

// String returns the version in its full form, as 1.2.0 for 1.2.
func (v version) String() string { return v.parsed().String() }

// Compare returns -1, 0 or 1, as v is less than other, equal or greater.
func (v version) Compare(other version) int { return v.parsed().Compare(other.parsed()) }

// Equal says whether the versions are the same but for their metadata.
func (v version) Equal(other version) bool { return v.Compare(other) == 0 }

// LessThan says whether v is less than other.
func (v version) LessThan(other version) bool { return v.Compare(other) < 0 }

// GreaterThan says whether v is greater than other.
func (v version) GreaterThan(other version) bool { return v.Compare(other) > 0 }
