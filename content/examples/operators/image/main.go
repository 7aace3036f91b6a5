// Command image tries image names against the rule of 2.4 and against two sloppy copies of it.
package main

import (
	"fmt"
	"regexp"
)

func main() {
	rules := []*regexp.Regexp{
		regexp.MustCompile(`^my-registry\.corp/.*:v[0-9]+\.[0-9]+\.[0-9]+$`),
		regexp.MustCompile(`my-registry\.corp/.*:v[0-9]+\.[0-9]+\.[0-9]+`), // no anchors
		regexp.MustCompile(`^my-registry.corp/.*:v[0-9]+.[0-9]+.[0-9]+$`),  // dots not escaped
	}
	images := []string{
		"my-registry.corp/team/mq:v1.4.0",
		"evil.io/my-registry.corp/mq:v1.4.0",
		"my-registryXcorp/mq:v1.4.0",
		"my-registry.corp/mq:v1.4.0-rc1",
		"my-registry.corp/mq:latest",
		"my-registry.corp/mq:v1x4y0",
		"my-registry.corp/mq@sha256:0123",
	}
	fmt.Printf("%-38s %-7s %-10s %s\n", "image", "rule", "no anchors", "dots not escaped")
	for _, image := range images {
		var answers [3]string
		for i, rule := range rules {
			answers[i] = map[bool]string{true: "yes", false: "-"}[rule.MatchString(image)]
		}
		fmt.Printf("%-38s %-7s %-10s %s\n", image, answers[0], answers[1], answers[2])
	}
}
