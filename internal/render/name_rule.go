package render

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// NameRule says which names an execution may have, so that its Job is valid.
type NameRule struct {
	// MaxLength is the number of characters that the name may have, at most 63: it is the value of a label.
	MaxLength int

	// NoDots says that the name must not contain dots.
	NoDots bool

	// reason says why.
	reason string
}

// AnyName is the rule of a template that does not restrict the names of its executions.
func AnyName() NameRule {
	return NameRule{MaxLength: validation.LabelValueMaxLength, reason: "it is the value of a label"}
}

// SafeName is the rule of names that an Indexed Job can have whatever its completions are: an index has at most ten
// digits.
func SafeName() NameRule {
	rule := AnyName()
	rule.restrict(rule.MaxLength-len("-2147483646"), true, "the Job may be Indexed")
	return rule
}

// NameRuleOf returns the rule for the executions of template. It counts what the template puts beside .Name into the
// name of the Job, into a label, or into another field of at most 63 characters. The length of what functions return is
// not known, so that a Job may be invalid although the name of its execution satisfies the rule.
func NameRuleOf(template *dispatcherv1alpha1.JobTemplate) NameRule {
	spec := &template.Spec.JobTemplate.Spec
	mode := spec.CompletionMode
	if mode != nil && strings.Contains(string(*mode), "{{") {
		mode = new(batchv1.IndexedCompletion) // It may be.
	}
	name := template.Spec.JobTemplate.Name
	mayBeEmpty := name == "" || strings.Contains(name, "{{")
	return nameRuleOf(template, mode, mayBeEmpty)
}

// Allows says whether an execution may have this name.
func (r NameRule) Allows(name string) bool { return len(r.problems(name)) == 0 }

// problems returns what a name must do and does not.
func (r NameRule) problems(name string) []string {
	var musts []string
	if len(name) > r.MaxLength {
		musts = append(musts, fmt.Sprintf("have at most %d characters", r.MaxLength))
	}
	if r.NoDots && strings.Contains(name, ".") {
		musts = append(musts, "contain no dots")
	}
	return musts
}

// CheckName returns why job, which was rendered from template, cannot belong to an execution of this name, or nil.
func CheckName(template *dispatcherv1alpha1.JobTemplate, job *batchv1.Job, name string) *field.Error {
	rule := nameRuleOf(template, job.Spec.CompletionMode, job.Name == name)
	musts := rule.problems(name)
	if len(musts) == 0 {
		return nil
	}
	return field.Invalid(field.NewPath("metadata", "name"), name,
		fmt.Sprintf("must %s for JobTemplate %q: %s", strings.Join(musts, " and "), template.Name, rule.reason))
}

// nameRuleOf returns the rule of a template whose Jobs have this completion mode, and sameName if they have the name of
// the execution.
func nameRuleOf(
	template *dispatcherv1alpha1.JobTemplate, mode *batchv1.CompletionMode, sameName bool,
) NameRule {
	rule := AnyName()
	job := &template.Spec.JobTemplate
	index := indexSuffix(mode, &job.Spec)
	if sameName && index != "" {
		rule.restrict(rule.MaxLength-len(index), true, "the Job is Indexed, and its last pod has this name and "+index+
			" as the host name")
	}
	name := shortString{jobTemplatePath.Child("metadata", "name"), job.Name, index != ""}
	rule.part(name, validation.LabelValueMaxLength-len(index), template)
	for _, short := range shortStrings(job) {
		rule.part(short, validation.LabelValueMaxLength, template)
	}
	return rule
}

// part restricts names that are a part of a string, which may have at most most characters.
func (r *NameRule) part(of shortString, most int, template *dispatcherv1alpha1.JobTemplate) {
	if use, ok := nameUseOf(of.text, template); ok {
		r.restrict((most-use.others)/use.count, of.noDots,
			fmt.Sprintf("it is a part of %s, which has at most %d characters", of.path, most))
	}
}

// restrict adds a restriction to the rule, unless no name at all satisfies it.
func (r *NameRule) restrict(maxLength int, noDots bool, reason string) {
	if maxLength < 1 {
		return
	}
	if maxLength < r.MaxLength || noDots && !r.NoDots {
		r.reason = reason
	}
	r.MaxLength, r.NoDots = min(r.MaxLength, maxLength), r.NoDots || noDots
}

// indexSuffix returns what the Job controller appends to the name of an Indexed Job to make the host name of its last
// pod. It is empty for another Job.
func indexSuffix(mode *batchv1.CompletionMode, spec *batchv1.JobSpec) string {
	completions := spec.Completions
	if completions == nil && spec.Parallelism == nil {
		completions = new(int32(1)) // The API server's default.
	}
	if mode == nil || *mode != batchv1.IndexedCompletion || completions == nil || *completions < 1 {
		return ""
	}
	return "-" + strconv.Itoa(int(*completions)-1)
}

// nameUse is how a template string uses .Name: count times, beside at least others characters.
type nameUse struct{ count, others int }

// nameUseOf reads how text uses .Name, in linear time and without a parser. It is not ok if text does not print .Name,
// or not in each case.
func nameUseOf(text string, template *dispatcherv1alpha1.JobTemplate) (use nameUse, ok bool) {
	if !strings.Contains(text, "{{") || !strings.Contains(text, ".Name") {
		return use, false
	}
	parts := strings.Split(text, "{{")
	use.others = len(strings.TrimSpace(parts[0]))
	for _, part := range parts[1:] {
		action, after, closed := strings.Cut(part, "}}")
		action = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(action, "-"), "-"))
		// Quotes and comments may contain the end of an action, and a keyword decides whether other parts are printed.
		if !closed || strings.ContainsAny(action, "\"'`*") || keyword.MatchString(action) {
			return use, false
		}
		switch strings.TrimPrefix(action, "$") {
		case ".Name":
			use.count++
		case ".Namespace":
			use.others += len(template.Namespace)
		case ".JobTemplate.Name":
			use.others += len(template.Name)
		}
		use.others += len(strings.TrimSpace(after))
	}
	return use, use.count > 0
}

var keyword = regexp.MustCompile(`^(if|else|end|range|with|define|block|template|break|continue)\b`)
