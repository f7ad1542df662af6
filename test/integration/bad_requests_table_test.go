package integration

import (
	"fmt"
	"strings"
)

// badRequest is one that has to be refused, as it goes over the wire. In it, NAMESPACE stands for the spec's own, which
// has the template echo.
type badRequest struct {
	why, sent string

	// answers are all that come of it, each in a line as summary writes it.
	answers string
}

// Answers that are given often.
const (
	notEncoded   = "400 InvalidRequest"
	asksForToken = ` [WWW-Authenticate: Bearer realm="dispatcher"]`
	notYours     = "403 Forbidden"
	notHTTP      = "400 [closed]"
	noName       = "400 InvalidRequest template"
	noPath       = "404 NotFound"
	unreadable   = "400 InvalidRequest [closed]"
	onlyExecutes = "405 MethodNotAllowed [Allow: POST, PUT, OPTIONS]"
	onlyReads    = "405 MethodNotAllowed [Allow: GET, HEAD, OPTIONS]"
	noLimit      = "400 InvalidRequest limit"
	noTemplate   = "404 JobTemplateNotFound spec.jobTemplateName"
	noExecution  = "404 ExecutionNotFound"
	tooLarge     = "413 PayloadTooLarge [closed]"
	noCoding     = "501 [closed]"
	longHeader   = "431 [closed]"
	compressed   = "415 UnsupportedEncoding [Accept-Encoding: identity]"
	noForm       = "406 NotAcceptable"
	noWait       = "400 InvalidRequest wait"
)

// badPaths name nothing that there can be, or nothing that there is.
var badPaths = []badRequest{
	{"an upper-case namespace", put_("/execute/Team/echo"), "400 InvalidRequest namespace"},
	{"a namespace with an underscore", put_("/execute/my_team/echo"), "400 InvalidRequest namespace"},
	{"a namespace with a dot", put_("/execute/a.b/echo"), "400 InvalidRequest namespace"},
	{"a namespace of 64 characters", put_("/execute/" + strings.Repeat("a", 64) + "/echo"),
		"400 InvalidRequest namespace"},
	{"an upper-case template", put_("/execute/NAMESPACE/Echo"), noName},
	{"a template of 64 characters", put_("/execute/NAMESPACE/" + strings.Repeat("a", 64)),
		"400 InvalidRequest template"},
	{"a name of 10,000 characters", put_("/execute/NAMESPACE/" + strings.Repeat("a", 10000)),
		"400 InvalidRequest template"},
	{"two names that cannot be", put_("/execute/A/_"), "400 InvalidRequest namespace template"},
	{"an encoded slash in a name", put_("/execute/NAMESPACE/a%2Fb"), noName},
	{"an encoded slash between the names", put_("/execute/NAMESPACE%2Fecho"), noName},
	{"an encoded traversal", put_("/execute/NAMESPACE/%2e%2e%2fexecutions"), noName},
	{"a traversal", put_("/execute/../echo"), "400 InvalidRequest namespace"},
	{"a dot", put_("/execute/."), noName},
	{"an encoded NUL", put_("/execute/NAMESPACE/echo%00"), noName},
	{"an encoded line break", put_("/execute/NAMESPACE/echo%0D%0AX-Injected:%20yes"), noName},
	{"an encoded space", put_("/execute/NAMESPACE/echo%20"), noName},
	{"percent-encoding twice", put_("/execute/NAMESPACE/%2565cho"), noName},
	{"a parameter of the path", put_("/execute/NAMESPACE/echo;v=1"), noName},
	{"a fragment", put_("/execute/NAMESPACE/echo#payload"), noName},
	{"a backslash", put_("/execute/NAMESPACE\\echo"), noName},
	{"bytes that are not ASCII", put_("/execute/NAMESPACE/écho"), noName},
	{"a full-width slash", put_("/execute/NAMESPACE%EF%BC%8Fecho"), noName},
	{"a name that is not UTF-8", put_("/execute/NAMESPACE/%FF%FE"), noName},
	{"the root", put_("/"), noPath},
	{"no template", put_("/execute"), noPath},
	{"an empty template", put_("/execute/"), noPath},
	{"a trailing slash", put_("/execute/NAMESPACE/echo/"), noPath},
	{"a double slash", put_("/execute//echo"), noPath},
	{"a double slash at the start", put_("//execute/NAMESPACE/echo"), noPath},
	{"a name too many", put_("/execute/NAMESPACE/echo/again"), noPath},
	{"another case", put_("/EXECUTE/NAMESPACE/echo"), noPath},
	{"an encoded first part", put_("/%65xecute/NAMESPACE/echo"), noPath},
	{"an absolute URI of another path", put_("http://localhost/run/echo"), noPath},
	{"an absolute URI without a path", put_("http://localhost"), noPath},
	{"an asterisk", put_("*"), noPath},
	{"OPTIONS of an asterisk", request("OPTIONS", "*"), noPath},
	{"a list with a trailing slash", request("GET", "/executions/NAMESPACE/"), noPath},
	{"the description as JSON", request("GET", "/openapi.json"), noPath},
	{"an execution that cannot be", request("GET", "/executions/NAMESPACE/My_Run"), "400 InvalidRequest name"},
	{"an execution with an encoded slash", request("DELETE", "/executions/NAMESPACE/a%2Fb"), "400 InvalidRequest name"},
	{"a list of a namespace that cannot be", request("GET", "/executions/My_Team"), "400 InvalidRequest namespace"},
	{"templates of a namespace that cannot be", request("GET", "/templates/My_Team"), "400 InvalidRequest namespace"},
	{"a template that cannot be", request("GET", "/templates/NAMESPACE/Echo"), noName},
	{"a template that there is not", put_("/execute/NAMESPACE/no-such"), noTemplate},
	{"a template that there is not, to be read", request("GET", "/templates/NAMESPACE/no-such"),
		"404 JobTemplateNotFound"},
	{"a namespace that there is not", put_("/execute/no-such/echo"), "404 NamespaceNotFound"},
	{"an execution that there is not", request("GET", "/executions/NAMESPACE/no-such"), noExecution},
	{"an execution that there is not, to be deleted", request("DELETE", "/executions/NAMESPACE/no-such"), noExecution},
	{"an execution that there is not, to be canceled", request("POST", "/executions/NAMESPACE/no-such/cancel"),
		noExecution},
	{"an execution that there is not, to be followed", request("GET", "/executions/NAMESPACE/no-such/events"),
		noExecution},
	{"an absolute URI of another template", put_("http://localhost/execute/NAMESPACE/no-such"), noTemplate},
	{"percent-encoding that is none", put_("/execute/NAMESPACE/%zz"), notHTTP},
	{"percent-encoding that is cut", put_("/execute/NAMESPACE/echo%2"), notHTTP},
	{"a NUL", put_("/execute/NAMESPACE/echo\x00"), notHTTP},
	{"a space", put_("/execute/NAMESPACE/e cho"), notHTTP},
	{"a tab", put_("/execute/NAMESPACE/e\tcho"), notHTTP},
	{"an authority alone", put_("127.0.0.1:80"), notHTTP},
	{"no leading slash", put_("execute/NAMESPACE/echo"), notHTTP},
}

// badMethods are not what a path takes.
var badMethods = []badRequest{
	{"GET of what is executed", request("GET", "/execute/NAMESPACE/echo"), onlyExecutes},
	{"HEAD of what is executed", request("HEAD", "/execute/NAMESPACE/echo"),
		"405 without a body [Allow: POST, PUT, OPTIONS]"},
	{"DELETE of what is executed", request("DELETE", "/execute/NAMESPACE/echo"), onlyExecutes},
	{"PATCH", request("PATCH", "/execute/NAMESPACE/echo"), onlyExecutes},
	{"TRACE", request("TRACE", "/execute/NAMESPACE/echo"), onlyExecutes},
	{"CONNECT", request("CONNECT", "/execute/NAMESPACE/echo"), onlyExecutes},
	{"CONNECT to a host", request("CONNECT", "127.0.0.1:80"), noPath},
	{"a method in lower case", request("put", "/execute/NAMESPACE/echo"), onlyExecutes},
	{"a made-up method", request("BREW", "/execute/NAMESPACE/echo"), onlyExecutes},
	{"a method of WebDAV", request("PROPFIND", "/executions/NAMESPACE"), onlyReads},
	{"a method of 5,000 characters", request(strings.Repeat("A", 5000), "/execute/NAMESPACE/echo"), onlyExecutes},
	{"PUT of an execution", request("PUT", "/executions/NAMESPACE/run"),
		"405 MethodNotAllowed [Allow: DELETE, GET, HEAD, OPTIONS]"},
	{"POST of a list", request("POST", "/executions/NAMESPACE"), onlyReads},
	{"GET of what cancels", request("GET", "/executions/NAMESPACE/run/cancel"),
		"405 MethodNotAllowed [Allow: POST, OPTIONS]"},
	{"POST of events", request("POST", "/executions/NAMESPACE/run/events"), onlyReads},
	{"DELETE of a template", request("DELETE", "/templates/NAMESPACE/echo"), onlyReads},
	{"PUT of the description", request("PUT", "/openapi.yaml"), onlyReads},
	{"a method that is no token", request("P@T", "/execute/NAMESPACE/echo"), notHTTP},
	{"no method", request("", "/execute/NAMESPACE/echo"), notHTTP},
	{"a method after a space", request(" PUT", "/execute/NAMESPACE/echo"), notHTTP},
}

// badCredentials are none, or not enough.
var badCredentials = []badRequest{
	{"none, to list", request("GET", "/executions/NAMESPACE", "X-No-Authorization: 1"), "401 Unauthorized" +
		asksForToken},
	{"none, to delete what there is not", request("DELETE", "/executions/NAMESPACE/no-such", "X-No-Authorization: 1"),
		"401 Unauthorized" + asksForToken},
	{"none, to see templates", request("GET", "/templates/NAMESPACE/echo", "X-No-Authorization: 1"),
		"401 Unauthorized" + asksForToken},
	{"a token that is none", put_(echo, "Authorization: Bearer nonsense"),
		`401 Unauthorized [WWW-Authenticate: Bearer realm="dispatcher", error="invalid_token"]`},
	{"an empty token", put_(echo, "Authorization: Bearer "), "401 Unauthorized" + asksForToken},
	{"a password", put_(echo, "Authorization: Basic YTpi"), "401 Unauthorized" + asksForToken},
	{"two tokens", put_(echo, "Authorization: Bearer a", "Authorization: Bearer b"), "401 Unauthorized" + asksForToken},
	{"somebody else's namespace", request("GET", "/executions/kube-system"), notYours},
	{"an impersonation", request("GET", "/executions/kube-system", "Authorization: "+credentials,
		"Impersonate-User: admin", "Impersonate-Group: system:masters"), notYours},
	{"a header of a proxy", request("GET", "/executions/kube-system", "Authorization: "+credentials,
		"X-Remote-User: admin", "X-Remote-Group: system:masters"), notYours},
}

// badQueries have parameters that a call does not know, or that cannot be used.
var badQueries = []badRequest{
	{"an unknown parameter", put_(echo + "?now=true"), "400 InvalidRequest now"},
	{"a parameter without a name", put_(echo + "?=1"), "400 InvalidRequest (empty)"},
	{"a query that is not encoded", put_(echo + "?%zz"), notEncoded},
	{"a semicolon between parameters", put_(echo + "?a=1;b=2"), notEncoded},
	{"a parameter of another call", put_(echo + "?limit=1"), "400 InvalidRequest limit"},
	{"a parameter of the description", request("GET", "/openapi.yaml?v=2"), "400 InvalidRequest v"},
	{"a limit below 0", request("GET", "/executions/NAMESPACE?limit=-1"), noLimit},
	{"a limit of 0", request("GET", "/executions/NAMESPACE?limit=0"), noLimit},
	{"a limit of too many", request("GET", "/executions/NAMESPACE?limit=501"), noLimit},
	{"a limit of words", request("GET", "/executions/NAMESPACE?limit=all"), noLimit},
	{"a limit with a fraction", request("GET", "/templates/NAMESPACE?limit=1.5"), noLimit},
	{"an empty limit", request("GET", "/templates/NAMESPACE?limit="), noLimit},
	{"a limit that overflows", request("GET", "/templates/NAMESPACE?limit=99999999999999999999"), noLimit},
	{"two limits", request("GET", "/executions/NAMESPACE?limit=1&limit=2"), "400 InvalidRequest limit"},
	{"a continue that is none", request("GET", "/executions/NAMESPACE?continue=garbage"),
		"400 InvalidRequest continue"},
	{"a continue for templates that is none", request("GET", "/templates/NAMESPACE?continue=garbage"),
		"400 InvalidRequest continue"},
	{"a state that there is not", request("GET", "/executions/NAMESPACE?state=paused"), "400 InvalidRequest state"},
	{"a state in upper case", request("GET", "/executions/NAMESPACE?state=Running"), "400 InvalidRequest state"},
	{"a template that cannot be, to list by", request("GET", "/executions/NAMESPACE?template=No_Name"),
		"400 InvalidRequest template"},
	{"a selector", request("GET", "/executions/NAMESPACE?labelSelector=a%3Db&fieldSelector=c"),
		"400 InvalidRequest fieldSelector labelSelector"},
	{"a wait of words", request("GET", "/executions/NAMESPACE/run?wait=abc"), noWait},
	{"a wait below 0", request("GET", "/executions/NAMESPACE/run?wait=-1"), noWait},
	{"an empty wait", request("GET", "/executions/NAMESPACE/run?wait="), noWait},
	{"two waits", request("GET", "/executions/NAMESPACE/run?wait=1&wait=2"), "400 InvalidRequest wait"},
	{"a wait that overflows, for what there is not", request("GET",
		"/executions/NAMESPACE/no-such?wait=99999999999999999999"), noExecution},
	{"a parameter to cancel", request("POST", "/executions/NAMESPACE/run/cancel?force=true"),
		"400 InvalidRequest force"},
	{"a parameter to delete", request("DELETE", "/executions/NAMESPACE/run?propagationPolicy=Orphan"),
		"400 InvalidRequest propagationPolicy"},
}

const (
	echo = "/execute/NAMESPACE/echo"

	// hangUp ends a request whose sender says no more.
	hangUp = "(hangs up)"

	// credentials stands for those of somebody who may do everything in the spec's namespace.
	credentials = "CREDENTIALS"
)

// request is an HTTP/1.1 request without a body, as it goes over the wire. Only to execute is for everybody.
func request(method, target string, headers ...string) string {
	lines := append([]string{method + " " + target + " HTTP/1.1", "Host: localhost"}, headers...)
	if method != "PUT" && !strings.Contains(strings.Join(headers, ""), "Authorization") {
		lines = append(lines, "Authorization: "+credentials)
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n"
}

func put_(target string, headers ...string) string { return request("PUT", target, headers...) }

func payload(text string) string {
	return put_(echo, fmt.Sprintf("Content-Length: %d", len(text))) + text
}

func chunked(body string) string { return put_(echo, "Transfer-Encoding: chunked") + body }
