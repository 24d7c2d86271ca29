// Cancels one operation with google-gax, over gRPC or REST, polls until it is
// done and prints what the client then holds.
//
//   node gax.js grpc|rest HOST PORT NAME
'use strict';

const fs = require('fs');
const path = require('path');
const gax = require('google-gax');
const {cancelAndAwait} = require('./cancel');

// The template that the client carries for Get lacks the collection; services
// replace it by a rule of their own, as here.
const httpRules = [{selector: 'google.longrunning.Operations.GetOperation', get: '/v1/{name=operations/**}'}];

// description is the description of the service that the package carries. Its
// generated clients come with one of their own, so it is not exported.
function description() {
  const source = path.dirname(require.resolve('google-gax'));
  return JSON.parse(fs.readFileSync(path.join(source, '../protos/operations.json'), 'utf8'));
}

// client speaks without TLS and without credentials.
function client(transport, servicePath, port) {
  if (transport === 'rest') {
    const auth = new gax.googleAuthLibrary.PassThroughClient();
    const protoJson = gax.protobuf.Root.fromJSON(description());
    // A generated client knows the types of its service's metadata: the REST
    // transport cannot read an operation whose metadata it does not know.
    protoJson.addJSON(gax.protobuf.common.get('google/protobuf/struct.proto').nested);
    return gax.fallback.lro({auth, protoJson, httpRules})
        .operationsClient({servicePath, port, protocol: 'http', fallback: true});
  }
  return gax.lro({}).operationsClient({servicePath, port, sslCreds: gax.grpc.credentials.createInsecure()});
}

const [transport, host, port, name] = process.argv.slice(2);
const operations = client(transport, host, Number(port));
cancelAndAwait(
    () => operations.cancelOperation({name}),
    async () => (await operations.getOperation({name}))[0],
);
