package reference

import (
	"net/url"
	"testing"

	"cloud.google.com/go/longrunning/autogen/longrunningpb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestListPages(t *testing.T) {
	f := serve(t, Options{})
	var want []string
	for range 5 {
		want = append(want, f.start(StartRequest{}))
		f.start(StartRequest{Parent: "projects/other"})
	}
	var got []string
	for token, pages := "", 0; pages == 0 || token != ""; pages++ {
		require.Less(t, pages, 4)
		doc := f.send("GET", "/projects/p/operations?pageSize=2&pageToken="+url.QueryEscape(token), "").doc(t)
		for _, op := range doc["operations"].([]any) {
			got = append(got, op.(map[string]any)["name"].(string))
		}
		token, _ = doc["nextPageToken"].(string)
	}
	assert.Equal(t, want, got)

	require.NoError(t, f.store.Delete(t.Context(), &longrunningpb.DeleteOperationRequest{Name: want[1]}))
	out, err := f.ops.ListOperations(testContext(t), &longrunningpb.ListOperationsRequest{Name: "projects/p"})
	require.NoError(t, err)
	assert.Len(t, out.GetOperations(), 4)
	assert.Empty(t, out.GetNextPageToken())
}

func TestListFilter(t *testing.T) {
	f := serve(t, Options{})
	active, done := f.start(StartRequest{}), f.start(StartRequest{Lasts: 1})
	f.finish(done)
	for filter, want := range map[string]string{"done=true": done, "done = false": active} {
		out, err := f.ops.ListOperations(testContext(t), &longrunningpb.ListOperationsRequest{Name: "projects/p", Filter: filter})
		require.NoError(t, err, filter)
		require.Len(t, out.GetOperations(), 1, filter)
		assert.Equal(t, want, out.GetOperations()[0].GetName())
	}
}

func TestListRefusals(t *testing.T) {
	f := serve(t, Options{})
	f.start(StartRequest{})
	f.start(StartRequest{})
	page, err := f.ops.ListOperations(testContext(t), &longrunningpb.ListOperationsRequest{Name: "projects/p", PageSize: 1})
	require.NoError(t, err)
	for _, r := range []*longrunningpb.ListOperationsRequest{
		{Name: "projects"},
		{Name: "projects/p/operations"},
		{Name: "projects/p", Filter: "name=x"},
		{Name: "projects/p", PageSize: -1},
		{Name: "projects/p", PageToken: "?"},
		{Name: "projects/q", PageToken: page.GetNextPageToken()},
		{Name: "projects/p", PageToken: page.GetNextPageToken(), Filter: "done=true"},
	} {
		_, err := f.ops.ListOperations(testContext(t), r)
		assert.Equal(t, codes.InvalidArgument, status.Code(err), r)
	}
	assert.Equal(t, 400, f.send("GET", "/projects/p/operations?pageSize=x", "").code)
}
