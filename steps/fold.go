package steps

import (
	"fmt"

	"github.com/lro-tools/conform/reports"
	"github.com/lro-tools/conform/targets"
)

// foreignPage is the note of a page of a list that shows no operation of the
// case. Where a server has many operations, most pages are such.
const foreignPage = "no operation of this case is on this page"

// A streak is a row of calls that brought nothing new: polls of one operation
// with one answer, or foreign pages.
type streak struct {
	first, last int // indexes of exchanges
	between     []int
}

// fold leaves calls out of the evidence that brought nothing new: of each row
// of Gets of one operation with one answer, and of foreign pages, the first and
// the last are kept, and the last tells how many were between. What a breach
// points at stays.
func fold(exchanges []targets.Exchange, breaches []reports.Breach) []targets.Exchange {
	kept := map[int]bool{}
	for _, b := range breaches {
		kept[b.Exchange] = true
	}
	rows := map[string]*streak{}
	var all []*streak
	for i, ex := range exchanges {
		asked := ex.Request.Line + "\n" + ex.Request.Body
		switch {
		case ex.Problem != "", ex.Method != targets.Get && ex.Method != targets.List:
			continue
		case ex.Method == targets.List && ex.Note != foreignPage:
			delete(rows, foreignPage)
			continue
		case ex.Method == targets.List:
			asked = foreignPage
		}
		row := rows[asked]
		if row == nil || ex.Method == targets.Get && !sameAnswer(exchanges[row.first], ex) {
			row = &streak{first: i, last: i}
			rows[asked] = row
			all = append(all, row)
			continue
		}
		if row.last != row.first && !kept[row.last] {
			row.between = append(row.between, row.last)
		}
		row.last = i
	}
	drop := map[int]bool{}
	for _, row := range all {
		if len(row.between) < 2 {
			continue
		}
		for _, i := range row.between {
			drop[i] = true
		}
		switch last := &exchanges[row.last]; last.Note {
		case "":
			last.Note = fmt.Sprintf("%d more between with the same answer", len(row.between))
		case foreignPage:
			last.Note = fmt.Sprintf("%s, nor on %d more between", foreignPage, len(row.between))
		}
	}
	if len(drop) == 0 {
		return exchanges
	}
	return without(exchanges, drop, breaches)
}

// without drops exchanges and lets the breaches point at where theirs are then.
func without(exchanges []targets.Exchange, drop map[int]bool, breaches []reports.Breach) []targets.Exchange {
	at := make([]int, len(exchanges))
	var out []targets.Exchange
	for i, ex := range exchanges {
		at[i] = len(out)
		if !drop[i] {
			out = append(out, ex)
		}
	}
	for i := range breaches {
		if n := breaches[i].Exchange; n >= 0 && n < len(at) {
			breaches[i].Exchange = at[n]
		}
	}
	return out
}

func sameAnswer(a, b targets.Exchange) bool {
	return a.HTTP == b.HTTP && a.Code == b.Code && a.Response.Line == b.Response.Line && a.Response.Body == b.Response.Body && a.Problem == b.Problem
}
