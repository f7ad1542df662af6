package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const generated = `---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: jobtemplates.dispatcher.ivan.vc
spec:
  group: dispatcher.ivan.vc
  names:
    kind: JobTemplate
    plural: jobtemplates
  scope: Namespaced
  versions:
  - name: v1alpha1
    schema:
      openAPIV3Schema:
        description: ours
        properties:
          metadata:
            type: object
          spec:
            description: ours
            properties:
              jobTemplate:
                description: ours
                properties:
                  httpHeaders:
                    items:
                      properties:
                        name:
                          type: string
                        value:
                          type: string
                      required:
                      - name
                      - value
                      type: object
                    type: array
                  items:
                    description: not ours
                    items:
                      description: not ours
                      type: string
                      x-kubernetes-validations:
                      - message: is immutable
                        rule: self == oldSelf
                    type: array
                  iscsi:
                    properties:
                      lun:
                        type: integer
                    required:
                    - lun
                    type: object
                  map:
                    additionalProperties:
                      description: not ours
                      type: string
                    type: object
                  quantity:
                    anyOf:
                    - type: integer
                    - type: string
                    pattern: ^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$
                    x-kubernetes-int-or-string: true
                type: object
              samplePayload:
                description: ours
                maxLength: 1048576
                type: string
                x-kubernetes-validations:
                - rule: self.size() > 0
            type: object
        type: object
    served: true
    storage: true
`

const trimmed = `---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: jobtemplates.dispatcher.ivan.vc
spec:
  group: dispatcher.ivan.vc
  names:
    kind: JobTemplate
    plural: jobtemplates
  scope: Namespaced
  versions:
  - name: v1alpha1
    schema:
      openAPIV3Schema:
        description: ours
        properties:
          metadata:
            properties:
              name:
                type: string
            type: object
          spec:
            description: ours
            properties:
              jobTemplate:
                description: ours
                properties:
                  apiVersion:
                    description: 'It belongs to a Job, not to a template: leave it
                      out.'
                    type: string
                  httpHeaders:
                    items:
                      properties:
                        name:
                          type: string
                        value:
                          type: string
                      required:
                      - name
                      type: object
                    type: array
                  iscsi:
                    properties:
                      lun:
                        type: integer
                    type: object
                  items:
                    items:
                      type: string
                    type: array
                  kind:
                    description: 'It belongs to a Job, not to a template: leave it
                      out.'
                    type: string
                  map:
                    additionalProperties:
                      type: string
                    type: object
                  quantity:
                    maxItems: 0
                    maxLength: 64
                    maxProperties: 0
                    not:
                      enum:
                      - true
                      - false
                      - {}
                      - []
                    pattern: ^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]{1,3}))?$
                    x-kubernetes-preserve-unknown-fields: true
                  status:
                    description: 'It belongs to a Job, not to a template: leave it
                      out.'
                    type: object
                    x-kubernetes-preserve-unknown-fields: true
                type: object
              samplePayload:
                description: ours
                maxLength: 1048576
                type: string
                x-kubernetes-validations:
                - rule: self.size() > 0
            type: object
        type: object
    served: true
    storage: true
`

const generatedExecution = `---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: jobexecutions.dispatcher.ivan.vc
spec:
  group: dispatcher.ivan.vc
  names:
    kind: JobExecution
    plural: jobexecutions
  scope: Namespaced
  versions:
  - name: v1alpha1
    schema:
      openAPIV3Schema:
        properties:
          metadata:
            properties:
              name:
                type: string
            type: object
          status:
            properties:
              conditions:
                items:
                  description: ours
                  required:
                  - lastTransitionTime
                  - status
                  type: object
                type: array
            type: object
        type: object
    served: true
    storage: true
`

var trimmedExecution = strings.Replace(generatedExecution, "                  - lastTransitionTime\n", "", 1)

func TestTrim(t *testing.T) {
	tests := []struct {
		reason, in, want string
	}{
		{"removes from the fields of Kubernetes, not from ours", generated, trimmed},
		{"a second call changes nothing", trimmed, trimmed},
		{"a condition of an execution needs no lastTransitionTime", generatedExecution, trimmedExecution},
		{"nor after a second call", trimmedExecution, trimmedExecution},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			got, err := trim([]byte(test.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestTrimRefuses(t *testing.T) {
	tests := []struct {
		reason, in string
	}{
		{"a JobTemplate without a Job", strings.ReplaceAll(generated, "jobTemplate:", "other:")},
		{"a JobExecution without conditions", strings.ReplaceAll(generatedExecution, "conditions:", "other:")},
		{"a field that apiextensions does not know and would drop", generated + "unknown: field\n"},
	}
	for _, test := range tests {
		t.Run(test.reason, func(t *testing.T) {
			if _, err := trim([]byte(test.in)); err == nil {
				t.Error("no error")
			}
		})
	}
}
