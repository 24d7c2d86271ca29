package reference

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/lro-tools/conform/targets"
)

// The types that Earth Engine's REST API shows (reference of the REST API,
// resource projects.operations).
const (
	structType        = "type.googleapis.com/google.protobuf.Struct"
	eeMetadataType    = "type.googleapis.com/google.earthengine.v1.OperationMetadata"
	eeExportVerb      = "/image:export"
	eeMetadataKind    = "EXPORT_IMAGE"
	smallExport       = 256 * 256 // pixels; more take until they are cancelled
	defaultEEPixels   = 1e8       // maxPixels, where a request has none
	eeDefaultGridSide = 4096      // pixels, where a request has no grid
)

// earthEngine gives the REST side the bindings and the metadata of Earth
// Engine: operations are started by an export of an image, and their metadata
// are an OperationMetadata and not a Struct.
type earthEngine struct {
	next    http.Handler
	service Service
	access  access
	base    string
}

// An exportRequest holds what matters here of google.earthengine.v1's
// ExportImageRequest.
type exportRequest struct {
	Expression json.RawMessage `json:"expression"`
	Options    json.RawMessage `json:"fileExportOptions"`
	Asset      json.RawMessage `json:"assetExportOptions"`
	Grid       struct {
		Dimensions struct{ Width, Height int64 } `json:"dimensions"`
	} `json:"grid"`
	MaxPixels json.RawMessage `json:"maxPixels"` // an int64, as a string or a number
}

// ServeHTTP answers one request.
func (e *earthEngine) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, ours := strings.CutPrefix(rawPath(r.URL), e.base+"/")
	if parent, export := strings.CutSuffix(path, eeExportVerb); ours && export && r.Method == http.MethodPost {
		e.export(w, r, decode(parent))
		return
	}
	e.next.ServeHTTP(&eeWriter{ResponseWriter: w}, r)
}

// export starts an operation: a small one succeeds, one of more than maxPixels
// fails, and all others run until they are cancelled.
func (e *earthEngine) export(w http.ResponseWriter, r *http.Request, parent string) {
	data, err := readBody(r)
	var q exportRequest
	if err == nil {
		err = json.NewDecoder(bytes.NewReader(data)).Decode(&q)
	}
	if err != nil || q.Expression == nil || q.Options == nil && q.Asset == nil {
		writeError(w, invalid("EXPORT_MALFORMED", "the export needs an expression and fileExportOptions or assetExportOptions"))
		return
	}
	ctx := WithCall(r.Context(), Call{Caller: e.access.identify(r.Header.Get("Authorization")), Transport: targets.REST})
	op, err := e.service.Start(ctx, StartRequest{Parent: parent, Kind: q.kind()})
	if err != nil {
		writeError(w, err)
		return
	}
	data, err = json.Marshal(map[string]any{"name": op.GetName(),
		"metadata": map[string]any{"@type": eeMetadataType, "state": string(pending), "type": eeMetadataKind}})
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, data)
}

// kind is the kind of work that an export is.
func (q exportRequest) kind() Kind {
	width, height := q.Grid.Dimensions.Width, q.Grid.Dimensions.Height
	if width == 0 || height == 0 {
		width, height = eeDefaultGridSide, eeDefaultGridSide
	}
	most, err := strconv.ParseFloat(strings.Trim(string(q.MaxPixels), `"`), 64)
	if err != nil {
		most = defaultEEPixels
	}
	switch pixels := float64(width) * float64(height); {
	case pixels > most:
		return Failing
	case pixels <= smallExport:
		return Succeeding
	}
	return Running
}

// An eeWriter rewrites the metadata of the operations that pass through it.
type eeWriter struct{ http.ResponseWriter }

// Write writes a whole answer: the REST side writes each at once.
func (w *eeWriter) Write(data []byte) (int, error) {
	var doc map[string]json.RawMessage
	if json.Unmarshal(data, &doc) == nil && rewriteAll(doc) {
		if changed, err := json.Marshal(doc); err == nil {
			_, err = w.ResponseWriter.Write(changed)
			return len(data), err
		}
	}
	return w.ResponseWriter.Write(data)
}

// rewriteAll rewrites an operation, or each of a list.
func rewriteAll(doc map[string]json.RawMessage) bool {
	var list []map[string]json.RawMessage
	if json.Unmarshal(doc["operations"], &list) != nil {
		return rewriteMetadata(doc)
	}
	for _, op := range list {
		rewriteMetadata(op)
	}
	changed, err := json.Marshal(list)
	if err != nil {
		return false
	}
	doc["operations"] = changed
	return true
}

// rewriteMetadata turns metadata that are a Struct into those of Earth Engine,
// whose fields stand beside @type.
func rewriteMetadata(op map[string]json.RawMessage) bool {
	var packed struct {
		Type  string         `json:"@type"`
		Value map[string]any `json:"value"`
	}
	if json.Unmarshal(op["metadata"], &packed) != nil || packed.Type != structType {
		return false
	}
	delete(packed.Value, "requestedCancellation") // Earth Engine tells it by the state alone
	packed.Value["@type"], packed.Value["type"] = eeMetadataType, eeMetadataKind
	packed.Value["attempt"] = 1
	changed, err := json.Marshal(packed.Value)
	if err != nil {
		return false
	}
	op["metadata"] = changed
	return true
}
