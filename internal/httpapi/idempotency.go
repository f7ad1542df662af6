package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	dispatcherv1alpha1 "dispatcher.ivan.vc/api/v1alpha1"
)

// idempotencyKeyHeader is that of draft-ietf-httpapi-idempotency-key-header.
const idempotencyKeyHeader = "Idempotency-Key"

// keyedSuffixLength is the length of the end of a name that is made from a key: 100 bits, so that nobody finds two keys
// of the same name.
const keyedSuffixLength = 20

// idempotencyKeyOf returns the key of a request, or "" where it has none. The draft makes it a string of RFC 8941, in
// quotes; most clients send it bare, which means the same.
func idempotencyKeyOf(r *http.Request) (string, error) {
	values := r.Header.Values(idempotencyKeyHeader)
	if len(values) == 0 {
		return "", nil
	}
	key, wrong := parseIdempotencyKey(values)
	if wrong != "" {
		refused := refuse(reasonInvalidRequest, "the %s cannot be used", idempotencyKeyHeader)
		refused.at(idempotencyKeyHeader, wrong)
		return "", refused
	}
	return key, nil
}

// parseIdempotencyKey returns the key, or what is wrong with it.
func parseIdempotencyKey(values []string) (key, wrong string) {
	if len(values) > 1 {
		return "", "must be sent once"
	}
	key = strings.TrimSpace(values[0])
	if inner, quoted := strings.CutPrefix(key, `"`); quoted {
		if key, quoted = unquote(inner); !quoted {
			return "", `must end with the quote that it begins with, and have \ before each other " and \`
		}
	} else if strings.ContainsAny(key, `"\,;`) {
		return "", `must be in quotes, since it has one of " \ , ; in it`
	}
	if len(key) == 0 || len(key) > maxIdempotencyKeyLength {
		return "", fmt.Sprintf("must have 1 to %d characters", maxIdempotencyKeyLength)
	}
	if strings.ContainsFunc(key, func(char rune) bool { return char <= ' ' || char > '~' }) {
		return "", "must consist of visible ASCII characters"
	}
	return key, ""
}

// unquote returns the text up to the quote that ends it, which must be the last character.
func unquote(text string) (string, bool) {
	var unquoted strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"':
			return unquoted.String(), i == len(text)-1
		case text[i] == '\\' && i+1 < len(text) && (text[i+1] == '"' || text[i+1] == '\\'):
			i++
		case text[i] == '\\':
			return "", false
		}
		unquoted.WriteByte(text[i])
	}
	return "", false
}

// setKey makes an execution the one of its template and key: by its name, so that the API server keeps it one only,
// whichever replica stores it and whatever crashes.
func setKey(execution *dispatcherv1alpha1.JobExecution, key string) {
	// No name of a template has a NUL in it, so no two pairs make the same text.
	hash := sha256.Sum256([]byte(execution.Spec.JobTemplateName + "\x00" + key))
	payload := sha256.Sum256([]byte(execution.Spec.Payload))
	suffix := strings.ToLower(base32.StdEncoding.EncodeToString(hash[:]))[:keyedSuffixLength]
	execution.Name = executionName(execution.Spec.JobTemplateName, suffix)
	execution.Annotations[dispatcherv1alpha1.AnnotationIdempotencyKeyHash] = "sha256:" + hex.EncodeToString(hash[:])
	execution.Annotations[dispatcherv1alpha1.AnnotationPayloadDigest] = "sha256:" + hex.EncodeToString(payload[:])
}

// createOnce stores an execution that has a key, or finds the one that was stored with it: then repeated is true. An
// execution that is refused leaves its key unused.
//
// A create that is not answered is looked up, and never undone: a repeat with the key may have been answered with that
// execution meanwhile. Whoever is told of an error repeats the call, and gets what there is.
func (c *creator) createOnce(ctx context.Context, execution *dispatcherv1alpha1.JobExecution) (stored *dispatcherv1alpha1.JobExecution, repeated bool, err error) {
	// To look first is not what makes it one only. But a create is judged before its name is, so that a repeat would be
	// refused for a template that has changed since, and would count against a quota.
	stored, err = c.apiServer.get(ctx, execution.Namespace, execution.Name)
	switch {
	case err == nil:
		return stored, true, checkKey(stored, execution)
	case !apierrors.IsNotFound(err):
		return nil, false, err
	}
	stored, createErr := c.apiServer.create(ctx, execution)
	if createErr == nil {
		return stored, false, nil
	}
	stored, err = c.apiServer.get(ctx, execution.Namespace, execution.Name)
	switch {
	case err == nil:
		return stored, !sameRequest(stored, execution), checkKey(stored, execution)
	case apierrors.IsAlreadyExists(createErr):
		return nil, false, unavailable().retryAfter(0, retryAfterUnavailable).because(fmt.Errorf("looking for what has the key's name: %w", err))
	}
	return nil, false, createErr
}

// checkKey refuses what has the name of an execution's key but is not what this call asks for.
func checkKey(stored, execution *dispatcherv1alpha1.JobExecution) error {
	same := func(annotation string) bool {
		return stored.Annotations[annotation] == execution.Annotations[annotation]
	}
	switch {
	case stored.Spec.JobTemplateName != execution.Spec.JobTemplateName || !same(dispatcherv1alpha1.AnnotationIdempotencyKeyHash):
		refused := refuse(reasonIdempotencyKeyConflict, "the JobExecution %q in namespace %q has the name that this %s stands for, "+
			"and was not created with it: use another key, or delete it", stored.Name, stored.Namespace, idempotencyKeyHeader)
		refused.at(idempotencyKeyHeader, "is taken by something else")
		return refused
	case !same(dispatcherv1alpha1.AnnotationPayloadDigest):
		refused := refuse(reasonIdempotencyKeyReused, "this %s came with another payload before, which the JobExecution %q in namespace %q has: "+
			"use a new key for a new payload", idempotencyKeyHeader, stored.Name, stored.Namespace)
		refused.at(idempotencyKeyHeader, "was used with another payload")
		return refused
	}
	return nil
}
