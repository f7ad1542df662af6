package store

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
	"dispatcher.ivan.vc/internal/httpapi/problem"
	"dispatcher.ivan.vc/internal/render"
)

// keyedSuffixLength is the length of the suffix of a name that is made from a key: 100 bits, so that two keys with the
// same name cannot be found.
const keyedSuffixLength = 20

// keyField is where problems with a key are.
const keyField = "Idempotency-Key"

// Key is an idempotency key. It belongs to the user who sends it: another user's key is another one.
type Key struct {
	User, UID string
	Value     string
}

// hash is that of the key for a template.
func (k Key) hash(template string) [sha256.Size]byte {
	// Quoted, so that no two keys make the same text.
	return sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", template, k.User, k.UID, k.Value))
}

// CreateOnce stores the execution that a call with an idempotency key asks for, or finds the one that was stored with
// it: then repeated is true. An execution that is refused leaves its key unused.
//
// A create that is not answered is looked up, and never undone: a repeat with the key may have been answered with that
// execution meanwhile. After an error, the caller repeats the call and gets the stored execution, if there is one.
func (s *Store) CreateOnce(
	ctx context.Context,
	request Request,
	key Key,
) (stored *dispatcherv1alpha1.JobExecution, repeated bool, err error) {
	ctx = context.WithoutCancel(ctx)
	execution := request.execution()
	// Where the template is not in memory, the name is made as if it restricted none: another replica may know the
	// template. Admission refuses that name if it is too long, and then the next one is tried.
	names := setKey(execution, key, s.names.of(s.setDefaults(ctx, execution), render.AnyName()))
	// To look first is not what makes it one only. But a create is judged before its name is, so that a repeat would be
	// refused for a template that has changed since, and would count against a quota.
	for _, name := range names {
		execution.Name = name
		stored, err = s.get(ctx, execution.Namespace, name)
		switch {
		case err == nil:
			return stored, true, checkKey(stored, execution)
		case !isAbsent(err, name):
			return nil, false, translate(err, targetOf(execution))
		}
	}
	for _, name := range names {
		if len(name) > len(names[0]) {
			continue // It is only there to be looked up.
		}
		execution.Name = name
		var createErr error
		if stored, createErr = s.create(ctx, execution); createErr == nil {
			return stored, false, nil
		}
		stored, err = s.get(ctx, execution.Namespace, name)
		switch {
		case err == nil:
			return stored, !sameRequest(stored, execution), checkKey(stored, execution)
		case apierrors.IsAlreadyExists(createErr):
			return nil, false, unavailable().Because(fmt.Errorf("looking for what has the key's name: %w", err))
		}
		if err = createErr; !isNameRefused(err) {
			break
		}
	}
	return nil, false, translate(err, targetOf(execution))
}

// setKey makes an execution the one of its template, user and key. It returns the names that an execution with this key
// can have, which depend on nothing else, so that the API server keeps it one only, whichever replica stores it and
// whatever crashes. The first is the one for rule. The second was stored if the rule was another one.
func setKey(execution *dispatcherv1alpha1.JobExecution, key Key, rule render.NameRule) []string {
	template := execution.Spec.JobTemplateName
	hash := key.hash(template)
	execution.Annotations[dispatcherv1alpha1.AnnotationIdempotencyKeyHash] = "sha256:" + hex.EncodeToString(hash[:])
	suffix := strings.ToLower(base32.StdEncoding.EncodeToString(hash[:]))[:keyedSuffixLength]
	// Earlier versions knew the first of these names only, and never stored an execution with the other one.
	names := []string{
		render.ExecutionName(template, suffix, render.AnyName()),
		render.ExecutionName(template, suffix, render.SafeName()),
	}
	fits := slices.IndexFunc(names, rule.Allows)
	if fits < 0 {
		names = append(names, render.ExecutionName(template, suffix, rule))
		fits = len(names) - 1
	}
	names[0], names[fits] = names[fits], names[0]
	return slices.Compact(names)
}

// checkKey refuses what has the name of an execution's key but is not what this call asks for. stored was read from the
// API server, so it has its payload.
func checkKey(stored, execution *dispatcherv1alpha1.JobExecution) error {
	const keyHash = dispatcherv1alpha1.AnnotationIdempotencyKeyHash
	switch {
	case stored.Spec.JobTemplateName != execution.Spec.JobTemplateName ||
		stored.Annotations[keyHash] != execution.Annotations[keyHash]:
		return problem.New(problem.IdempotencyKeyConflict, "the name of the execution for this Idempotency-Key is taken: "+
			"the JobExecution %q in namespace %q was not created with it; use another key, or delete it",
			stored.Name, stored.Namespace).
			At(keyField, "is taken by something else")
	case stored.Spec.Payload != execution.Spec.Payload:
		return problem.New(problem.IdempotencyKeyReused, "this Idempotency-Key was used with another payload, for the "+
			"JobExecution %q in namespace %q: use a new key for a new payload", stored.Name, stored.Namespace).
			At(keyField, "was used with another payload")
	}
	return nil
}
