// Cancels one operation with Earth Engine's client, polls until it is done and
// prints what the client then holds.
//
//   node earthengine.js URL NAME
'use strict';

const ee = require('@google/earthengine');
const {cancelAndAwait} = require('./cancel');

const [url, name] = process.argv.slice(2);

// The client is written for browsers and looks for this global.
global.XMLHttpRequest = require('xmlhttprequest').XMLHttpRequest;

// Any token will do: the server asks for none, but the client sends no call
// without one.
ee.apiclient.initialize(url, url);
ee.apiclient.setAuthToken('client', 'Bearer', 'token', 3600, [], undefined, false);

// called makes a promise of a call that reports to a callback.
function called(call) {
  return new Promise((resolve, reject) => {
    call((answer, problem) => problem ? reject(new Error(problem)) : resolve(answer));
  });
}

cancelAndAwait(
    () => called((done) => ee.data.cancelOperation(name, done)),
    () => called((done) => ee.data.getOperation(name, done)),
);
