// Reads a compose file as Docker Compose does, with its own loader, and prints what each profile starts, each service with
// the environment of its container:
// main FILE PROFILE... -> {"PROFILE": {"service": {"VARIABLE": "value", ...}, ...}, ...}. A fault goes to stderr, and the
// exit code is 1. Variables come from the environment, and from .env beside the file.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

type environments map[string]map[string]string

func main() {
	started := map[string]environments{}
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

func load(file, profile string) (environments, error) {
	options, err := cli.NewProjectOptions([]string{file}, cli.WithOsEnv, cli.WithEnvFiles(), cli.WithDotEnv,
		cli.WithProfiles([]string{profile}))
	if err != nil {
		return nil, err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return nil, err
	}
	// Drops what has no value, as `docker compose` does before it creates a container.
	project, err = project.WithServicesEnvironmentResolved(true)
	if err != nil {
		return nil, err
	}
	found := environments{}
	for name, service := range project.Services {
		found[name] = map[string]string{}
		for variable, value := range service.Environment {
			if value != nil {
				found[name][variable] = *value
			}
		}
	}
	return found, nil
}
