package reference

import "cloud.google.com/go/longrunning/autogen/longrunningpb"

// StormMutants returns servers with one race each, which shows only to many
// callers at once, or in a window too short for a few calls: what
// `conform storm` is judged by. They are no part of Mutants.
func StormMutants() []Mutant {
	of := func(name, doc string, service func(Service) Service, breaks string, may ...string) Mutant {
		return Mutant{Name: name, Doc: doc, Breaks: []string{breaks}, May: may, Fault: Fault{Service: service}}
	}
	racy := func(name, doc string, r race, breaks string, may ...string) Mutant {
		return of(name, doc, racing(r), breaks, may...)
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
		of("storm-shared-answer", "Get writes its answer into a buffer that all calls share: it may be another operation's.",
			func(next Service) Service { return &sharedAnswer{Service: next} }, "cancel.state.name-unchanged"),
		of("storm-late-registration", "An operation is known to the workers a moment after its caller knows it: cancelled before, it is refused.",
			func(next Service) Service { return lateRegistration{next, newMoments()} }, "cancel.accept.in-progress"),
		of("storm-locked-row", "Get does not wait for the cancel that has the row locked, and fails.",
			func(next Service) Service { return lockedRow{next, newMoments()} }, "cancel.state.get-ok", "cancel.concurrent.no-server-error"),
		of("storm-one-current", "Keeps the operation that it deals with in one variable: a cancel may end the one that was started meanwhile.",
			func(next Service) Service { return &oneCurrent{Service: next} }, "cancel.isolation.siblings", "cancel.accept.in-progress", "cancel.effect.best-effort", "cancel.finished.status-legal", "cancel.rejected.no-effect"),
		of("storm-shared-slot", "Stops the work of an operation by the slot that it runs in: another one that was given the same slot ends as well.",
			func(next Service) Service { return &sharedSlot{Service: next} }, "cancel.isolation.siblings"),
		of("storm-torn-list", "List reads a row between the two writes that end an operation.",
			func(next Service) Service { return tornList{next, newMoments()} }, "operation.result.none-before-done"),
		of("storm-shifted-list", "List reads the results of a page apart from its rows, by their places: where one has just ended it shows another one's.",
			func(next Service) Service { return shiftedList{next, newMoments()} }, "list.consistent-with-get"),
		of("storm-write-back", "A cancel writes back what it has read, though it was deleted between: it is there again.",
			func(next Service) Service {
				return &writeBack{Service: next, deleted: map[string]bool{}, back: map[string]*longrunningpb.Operation{}}
			}, "cancel.deleted.not-found", "cancel.finished.status-legal"),
		racy("storm-lost-cancel", "A cancel at the same time as another call of the operation meets a conflict, which is swallowed: it was accepted and nothing follows.",
			lostCancel, "cancel.effect.best-effort"),
	}
}
