package reference

import (
	"slices"

	"github.com/lro-tools/conform/features"
	"github.com/lro-tools/conform/targets"
)

// Mutants returns every mutant, in groups as the catalogue has them.
func Mutants() []Mutant {
	return slices.Concat(
		requestMutants(),
		formMutants(),
		stuckMutants(),
		formEndsMutants(),
		routeMutants(),
		nameCaseMutants(),
		pathCaseMutants(),
		responseMutants(),
		effectMutants(),
		stateMutants(),
		operationMutants(),
		finishedMutants(),
		agedMutants(),
		kindMutants(),
		unsupportedMutants(), unsupportedCaseMutants(),
		unknownMutants(),
		errorMutants(),
		errorKindMutants(),
		statusMutants(),
		wireMutants(),
		wiresMutants(),
		framingMutants(),
		answersMutants(),
		racesMutants(),
		whereaboutsMutants(),
		reachMutants(),
		grpcMutants(),
		listMutants(),
		waitMutants(),
		deleteMutants(),
		authMutants(),
		caseMutants(),
		stageMutants(),
	)
}

// Lookup finds a mutant by its name.
func Lookup(name string) (Mutant, bool) {
	for _, m := range Mutants() {
		if m.Name == name {
			return m, true
		}
	}
	return Mutant{}, false
}

// LookupVariant finds a variant by its name.
func LookupVariant(name string) (Variant, bool) {
	for _, v := range append(Variants(), StormVariants()...) {
		if v.Name == name {
			return v, true
		}
	}
	return Variant{}, false
}

// Broken returns the requirements that fail over a transport: those of Breaks
// that apply to it, or those that BreaksOn has for it.
func (m Mutant) Broken(t targets.Transport, catalogue []features.Requirement) []string {
	if ids, ok := m.BreaksOn[t]; ok {
		return ids
	}
	var out []string
	for _, id := range m.Breaks {
		for _, r := range catalogue {
			if r.ID == id && r.On(string(t)) {
				out = append(out, id)
			}
		}
	}
	return out
}
