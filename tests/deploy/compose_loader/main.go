// Reads a compose file as Docker Compose does, with its own loader, and prints what each profile starts:
// main FILE PROFILE... -> {"PROFILE": ["service", ...], ...}. A fault goes to stderr, and the exit code is 1.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	started := map[string][]string{}
	for _, profile := range os.Args[2:] {
		services, err := load(os.Args[1], profile)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", profile, err)
			os.Exit(1)
		}
		started[profile] = services
	}
	if err := json.NewEncoder(os.Stdout).Encode(started); err != nil {
		panic(err)
	}
}

func load(file, profile string) ([]string, error) {
	options, err := cli.NewProjectOptions([]string{file}, cli.WithProfiles([]string{profile}))
	if err != nil {
		return nil, err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return nil, err
	}
	return project.ServiceNames(), nil
}
