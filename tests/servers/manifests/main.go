// Builds a kustomization, prints its resources, and tells on standard error what Kubernetes' own Pod Security check
// has against its pods: manifests FOLDER LEVEL. It exits with 1 if there is anything.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

type template struct {
	Spec corev1.PodSpec `json:"spec"`
}

// Where the kinds of resources have their pods.
type resource struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		Template    *template `json:"template"`
		JobTemplate *struct {
			Spec struct {
				Template *template `json:"template"`
			} `json:"spec"`
		} `json:"jobTemplate"`
	} `json:"spec"`
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func main() {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), os.Args[1])
	check(err)
	printed, err := built.AsYaml()
	check(err)
	os.Stdout.Write(printed)
	level, err := api.ParseLevel(os.Args[2])
	check(err)
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks())
	check(err)
	found := 0
	for _, each := range built.Resources() {
		text, err := each.MarshalJSON()
		check(err)
		var read resource
		check(json.Unmarshal(text, &read))
		pods := read.Spec.Template
		if read.Spec.JobTemplate != nil {
			pods = read.Spec.JobTemplate.Spec.Template
		}
		if pods == nil {
			continue
		}
		var spec = pods.Spec
		latest := api.LevelVersion{Level: level, Version: api.LatestVersion()}
		for _, result := range evaluator.EvaluatePod(latest, &metav1.ObjectMeta{}, &spec) {
			if !result.Allowed {
				found = 1
				fmt.Fprintf(os.Stderr, "%s %s: %s: %s\n", read.Kind, read.Metadata.Name, result.ForbiddenReason, result.ForbiddenDetail)
			}
		}
	}
	os.Exit(found)
}
