'use strict';

// Polls that an operation is given to become done, and the pause between two
// in milliseconds.
const polls = 200;
const pause = 25;

// cancelAndAwait cancels, polls get until the operation is done, and prints
// {"done", "code"} of the operation that get then returned. A call that fails
// ends the process with status 1 and prints {"failed"}.
async function cancelAndAwait(cancel, get) {
  try {
    await cancel();
    let operation = await get();
    for (let i = 0; i < polls && !operation.done; i++) {
      await new Promise((resolve) => setTimeout(resolve, pause));
      operation = await get();
    }
    finish({done: Boolean(operation.done), code: operation.error ? operation.error.code : 0}, 0);
  } catch (err) {
    finish({failed: String(err.message || err)}, 1);
  }
}

// finish prints the result and ends the process, which open connections would
// keep alive.
function finish(result, status) {
  process.stdout.write(JSON.stringify(result) + '\n', () => process.exit(status));
}

module.exports = {cancelAndAwait};
