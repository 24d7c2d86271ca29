package reference

// StormMutants returns servers with one race each, which shows only to many
// callers at once, or in a window too short for a few calls: what
// `conform storm` is judged by. They are no part of Mutants.
func StormMutants() []Mutant {
	racy := func(name, doc string, r race, breaks string, may ...string) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks}, May: may, Fault: Fault{Service: racing(r)}}
	}
	return []Mutant{
		racy("storm-read-modify-write", "Reads, changes and writes back a cancelled operation without a lock: where the work ended between, it is in progress again.",
			unlockedCancel, "operation.terminal.done-monotonic", "operation.terminal.result-immutable"),
		racy("storm-result-first", "Writes the result, and done a moment later.",
			resultBeforeDone, "operation.result.none-before-done"),
		racy("storm-done-first", "Writes done, and the result a moment later.",
			doneBeforeResult, "operation.terminal.result-immutable"),
		racy("storm-late-worker", "The worker looks whether it was cancelled, and writes its result a moment later, over what was written between.",
			lateWorker, "operation.terminal.result-immutable", "operation.terminal.done-monotonic"),
		racy("storm-double-cancel", "Two cancels at once both stop the work: the second does not find it and takes that for a failure.",
			doubleCancel, "operation.terminal.result-immutable", "cancel.state.code-1"),
		racy("storm-lost-cancel", "A cancel at the same time as another call of the operation meets a conflict, which is swallowed: it was accepted and nothing follows.",
			lostCancel, "cancel.effect.best-effort"),
	}
}
