package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	"github.com/pb33f/libopenapi-validator/content"
	validationerrors "github.com/pb33f/libopenapi-validator/errors"
	v3 "github.com/pb33f/libopenapi/datamodel/high/v3"
)

// contract is an OpenAPI document that answers are held to.
type contract struct {
	validator validator.Validator
	document  *v3.Document
}

// load reads an OpenAPI document.
func load(path string) (*contract, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the OpenAPI document: %w", err)
	}
	published, err := libopenapi.NewDocument(source)
	if err != nil {
		return nil, fmt.Errorf("parsing the OpenAPI document: %w", err)
	}
	whole, errs := validator.NewValidator(published)
	if len(errs) > 0 {
		return nil, fmt.Errorf("the OpenAPI document: %w", errors.Join(errs...))
	}
	if _, problems := whole.ValidateDocument(); len(problems) > 0 {
		return nil, fmt.Errorf("the OpenAPI document is not one of OpenAPI 3.1: %w", join(problems))
	}
	strict, err := closeSchemas(source)
	if err != nil {
		return nil, err
	}
	closed, err := libopenapi.NewDocument(strict)
	if err != nil {
		return nil, fmt.Errorf("parsing the closed OpenAPI document: %w", err)
	}
	model, err := closed.BuildV3Model()
	if err != nil {
		return nil, fmt.Errorf("reading the closed OpenAPI document: %w", err)
	}
	return &contract{
		validator: validator.NewValidatorFromV3Model(
			&model.Model,
			config.WithFormatAssertions(),
			config.WithoutSecurityValidation(),
			config.WithBodyDecoder("application/yaml", content.DecoderFunc(decodeYAML)),
		),
		document: &model.Model,
	}, nil
}

// check returns which of the documented answers this is, or what is wrong with it, and with its request where that was
// accepted. The bodies of streams are not looked at.
func (c *contract) check(request *http.Request, response *http.Response) (string, error) {
	path, item := c.find(request)
	if item == nil {
		return "", c.checkUndocumented(request, response, nil)
	}
	operation := item.GetOperations().GetOrZero(documentedMethod(request))
	if operation == nil {
		return "", c.checkUndocumented(request, response, item)
	}
	answer := fmt.Sprintf("%s %s %d", strings.ToUpper(documentedMethod(request)), path, response.StatusCode)
	return answer, c.checkDocumented(request, response, path, item, operation)
}

func (c *contract) checkDocumented(
	request *http.Request, response *http.Response, path string, item *v3.PathItem, operation *v3.Operation,
) error {
	documented := operation.Responses.Codes.GetOrZero(strconv.Itoa(response.StatusCode))
	if documented == nil {
		return errors.New("this status code is not documented")
	}
	errs := []error{checkHeaders(response, documented), checkPresence(request, response, documented)}
	if request.Method != http.MethodHead && !isWithoutBody(response, documented) {
		_, problems := c.validator.GetResponseBodyValidator().ValidateResponseBodyWithPathItem(request, response, item, path)
		errs = append(errs, join(problems))
	}
	if response.StatusCode < http.StatusBadRequest {
		errs = append(errs, c.checkRequest(request, path, item, operation))
	}
	return errors.Join(errs...)
}

// checkRequest is for requests that were accepted: the document has to call them valid. Bodies are not looked at, since
// a payload may be anything.
func (c *contract) checkRequest(request *http.Request, path string, item *v3.PathItem, operation *v3.Operation) error {
	bare := request.Clone(request.Context())
	bare.Body, bare.ContentLength = http.NoBody, 0
	_, problems := c.validator.ValidateHttpRequestSyncWithPathItem(bare, item, path)
	errs := []error{join(problems)}
	for name := range request.URL.Query() {
		if !slices.ContainsFunc(
			slices.Concat(item.Parameters, operation.Parameters),
			func(p *v3.Parameter) bool { return p.In == "query" && p.Name == name },
		) {
			errs = append(errs, fmt.Errorf("the query parameter %s was accepted and is not documented", name))
		}
	}
	return errors.Join(errs...)
}

// checkUndocumented is for what the document leaves out, as it would be the same everywhere: other paths, other
// methods, and OPTIONS.
func (c *contract) checkUndocumented(request *http.Request, response *http.Response, item *v3.PathItem) error {
	if item == nil {
		return checkProblem(request, response, http.StatusNotFound, "NotFound")
	}
	var methods []string
	for method := range item.GetOperations().KeysFromOldest() {
		methods = append(methods, strings.ToUpper(method))
		if method == "get" {
			methods = append(methods, http.MethodHead)
		}
	}
	slices.Sort(methods)
	allow := strings.Join(append(methods, http.MethodOptions), ", ")
	if got := response.Header.Get("Allow"); got != allow {
		return fmt.Errorf("the header Allow is %q, but the document has %q", got, allow)
	}
	if request.Method == http.MethodOptions && response.StatusCode == http.StatusNoContent {
		return nil
	}
	return checkProblem(request, response, http.StatusMethodNotAllowed, "MethodNotAllowed")
}

// documentedMethod is under which a request is documented: HEAD is GET without a body.
func documentedMethod(request *http.Request) string {
	switch request.Method {
	case http.MethodHead:
		return "get"
	case strings.ToUpper(request.Method):
		return strings.ToLower(request.Method)
	default:
		return "" // Methods are upper case.
	}
}

// operation is one of the calls that are documented.
type operation struct {
	Method, Path string
	// Codes are the status codes that it may be answered with.
	Codes []string
}

// operations are all calls that are documented, in their order.
func (c *contract) operations() []operation {
	var operations []operation
	for path, item := range c.document.Paths.PathItems.FromOldest() {
		for method, documented := range item.GetOperations().FromOldest() {
			codes := slices.Collect(documented.Responses.Codes.KeysFromOldest())
			operations = append(operations, operation{Method: strings.ToUpper(method), Path: path, Codes: codes})
		}
	}
	return operations
}

// find returns the documented path of a request. Names are matched as they were sent: an encoded slash is part of a
// name.
func (c *contract) find(request *http.Request) (string, *v3.PathItem) {
	sent := strings.Split(request.URL.EscapedPath(), "/")
	for path, item := range c.document.Paths.PathItems.FromOldest() {
		same := func(segment, template string) bool {
			return segment == template || strings.HasPrefix(template, "{") && segment != ""
		}
		if slices.EqualFunc(sent, strings.Split(path, "/"), same) {
			return path, item
		}
	}
	return "", nil
}

func join(problems []*validationerrors.ValidationError) error {
	var errs []error
	for _, problem := range problems {
		text := &strings.Builder{}
		fmt.Fprintf(text, "%s: %s", problem.Message, problem.Reason)
		for _, failure := range problem.SchemaValidationErrors {
			fmt.Fprintf(text, "; at %s: %s", strings.Join(failure.InstancePath, "."), failure.Reason)
		}
		errs = append(errs, errors.New(text.String()))
	}
	return errors.Join(errs...)
}
