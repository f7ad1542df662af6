// Command gitops tells what Argo CD makes of Kubernetes objects with the scripts of docs/gitops.md, which it is given.
// It reads objects in JSON from its standard input, one after the other, and writes a line for each: the status that
// the script of its kind returns, or, with -action, the objects that the action returns, in JSON. An action that is
// disabled returns null. It is a program, and a module of its own, so that the product's go.mod is free of the library.
//
// It must not have scripts of its own: what it runs is what users copy.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"sigs.k8s.io/yaml"
)

func main() {
	document := flag.String("doc", "", "the file that has the scripts")
	action := flag.String("action", "", "the action to run")
	payload := flag.String("payload", "", "the parameter payload of the action")
	flag.Parse()
	if err := run(*document, *action, *payload, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(document, action, payload string, in io.Reader, out io.Writer) error {
	text, err := os.ReadFile(document)
	if err != nil {
		return fmt.Errorf("reading the scripts: %w", err)
	}
	settings, err := settingsIn(string(text))
	if err != nil {
		return err
	}
	for decoder := json.NewDecoder(in); ; {
		var object map[string]any
		if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading an object: %w", err)
		}
		answer, err := answerTo(settings, object, action, payload)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, answer); err != nil {
			return fmt.Errorf("writing an answer: %w", err)
		}
	}
}

// settingsIn returns the data of the ConfigMap argocd-cm in a document.
func settingsIn(document string) (map[string]string, error) {
	for _, block := range strings.Split(document, "```yaml\n")[1:] {
		block, _, _ = strings.Cut(block, "```\n")
		var configMap struct {
			Kind string            `json:"kind"`
			Data map[string]string `json:"data"`
		}
		// Other examples have other data.
		if err := yaml.Unmarshal([]byte(block), &configMap); err == nil && configMap.Kind == "ConfigMap" {
			return configMap.Data, nil
		}
	}
	return nil, errors.New("the document has no ConfigMap")
}

// answerTo returns the health of an object, or what an action makes of it.
func answerTo(settings map[string]string, object map[string]any, action, payload string) (string, error) {
	apiVersion, _ := object["apiVersion"].(string)
	kind, _ := object["kind"].(string)
	group, _, _ := strings.Cut(apiVersion, "/")
	if action == "" {
		health, err := evaluate(settings["resource.customizations.health."+group+"_"+kind], object, nil)
		if err != nil {
			return "", fmt.Errorf("the health of a %s: %w", kind, err)
		}
		table, _ := health.(map[string]any)
		if message, _ := table["message"].(string); message == "" {
			return "", fmt.Errorf("the health of a %s has no message: %v", kind, health)
		}
		return fmt.Sprint(table["status"]), nil
	}
	result, err := runAction(settings["resource.customizations.actions."+group+"_"+kind], object, action, payload)
	if err != nil {
		return "", fmt.Errorf("the action %s of a %s: %w", action, kind, err)
	}
	encoded, err := json.Marshal(result)
	return string(encoded), err
}

// runAction runs an action unless it is disabled.
func runAction(setting string, object map[string]any, action, payload string) (any, error) {
	var actions struct {
		Discovery   string `json:"discovery.lua"`
		Definitions []struct {
			Name   string `json:"name"`
			Action string `json:"action.lua"`
		} `json:"definitions"`
	}
	if err := yaml.UnmarshalStrict([]byte(setting), &actions); err != nil {
		return nil, fmt.Errorf("reading the actions: %w", err)
	}
	discovered, err := evaluate(actions.Discovery, object, nil)
	if err != nil {
		return nil, err
	}
	all, _ := discovered.(map[string]any)
	found, ok := all[action].(map[string]any)
	switch {
	case !ok:
		return nil, errors.New("it is not discovered")
	case found["disabled"] == true:
		return nil, nil
	}
	for _, definition := range actions.Definitions {
		if definition.Name == action {
			return evaluate(definition.Action, object, map[string]any{"payload": payload})
		}
	}
	return nil, errors.New("it is not defined")
}
