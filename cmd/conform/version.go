package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/lro-tools/conform/features"
)

func versionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of the suite and the digest of its catalogue",
		Args:  cobra.NoArgs,
		RunE:  func(*cobra.Command, []string) error { return a.printVersion() },
	}
}

func (a *app) printVersion() error {
	digest, err := features.Digest()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.out, "conform %s, catalogue %s, %s %s/%s\n", version(), digest, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
