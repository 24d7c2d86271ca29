package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lro-tools/conform/features"
)

func requirementsCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "requirements",
		Short: "List the catalogue of requirements",
		Long:  "requirements lists the catalogue. conform explain ID tells one requirement whole.",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			catalogue, err := features.Requirements()
			if err != nil {
				return err
			}
			if asJSON {
				return a.catalogueJSON(catalogue)
			}
			var b strings.Builder
			group := ""
			for _, r := range catalogue {
				if r.Group != group {
					group = r.Group
					fmt.Fprintf(&b, "\n%s\n", group)
				}
				fmt.Fprintf(&b, "  %-6s %-9s %s\n         %s\n", r.Level, strings.Join(r.Transports, ","), r.ID, r.Statement)
			}
			_, err = fmt.Fprint(a.out, strings.TrimPrefix(b.String(), "\n"))
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON, with all that the catalogue holds")
	return cmd
}

func (a *app) catalogueJSON(catalogue []features.Requirement) error {
	digest, err := features.Digest()
	if err != nil {
		return err
	}
	e := json.NewEncoder(a.out)
	e.SetIndent("", " ")
	e.SetEscapeHTML(false)
	return e.Encode(struct {
		Catalogue    string                 `json:"catalogue"`
		Requirements []features.Requirement `json:"requirements"`
	}{digest, catalogue})
}
