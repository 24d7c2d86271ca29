package main
import ("testing";"os";"fmt";"github.com/lro-tools/conform/features")
func TestGrp(t *testing.T){
	if os.Getenv("SUB")=="" {t.Skip()}
	c,_:=features.Requirements()
	subs:=allSubjects(c)
	for i := range subs { subs[i].sample(c) }
	w,_:=trials(subs,together)
	for _,tr:=range w { if len(tr)==1 {s:=subs[tr[0]]; fmt.Println("ALONE",s.name,s.alone,s.slow,s.transport,len(s.judged)); continue}
	 fmt.Print("GROUP "); for _,i:=range tr { fmt.Print(subs[i].name," ") }; fmt.Println() }
}
