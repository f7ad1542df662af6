package render

import (
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// checkAnnotations reports annotations that are larger than Kubernetes allows for all of one object.
func checkAnnotations(job *batchv1.Job) field.ErrorList {
	var errs field.ErrorList
	if size := sizeOf(job.Annotations); size > validation.TotalAnnotationSizeLimitB {
		errs = append(errs, tooLargeAnnotations(jobTemplatePath.Child("metadata"), size))
	}
	if size := sizeOf(job.Spec.Template.Annotations); size > validation.TotalAnnotationSizeLimitB {
		errs = append(errs, tooLargeAnnotations(jobTemplatePath.Child("spec", "template", "metadata"), size))
	}
	return errs
}

func sizeOf(annotations map[string]string) int {
	size := 0
	for key, value := range annotations {
		size += len(key) + len(value)
	}
	return size
}

func tooLargeAnnotations(metadata *field.Path, size int) *field.Error {
	return &field.Error{
		Type: field.ErrorTypeTooLong, Field: metadata.Child("annotations").String(), BadValue: field.OmitValueType{},
		Detail: fmt.Sprintf("may not be more than %d bytes, all keys and values of one object together, and they have %d",
			validation.TotalAnnotationSizeLimitB, size),
	}
}
