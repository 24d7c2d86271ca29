import assert from 'node:assert';
import { Given, When, Then } from '@cucumber/cucumber';

const base = process.env.BASE;

async function call(method, path, body) {
  const answer = await fetch(`${base}/${path}`, { method, body, headers: { 'Content-Type': 'application/json' } });
  assert.equal(answer.status, 200);
  return answer.json();
}

Given('a running operation', async function () {
  this.name = (await call('POST', 'projects/demo/jobs:start', '{"kind":"running"}')).name;
  assert.ok(!(await call('GET', this.name)).done);
});

When('it is cancelled', async function () {
  await call('POST', `${this.name}:cancel`, '{}');
});

Then('it is done with error code 1', async function () {
  for (let pause = 1; ; pause *= 1.5) {
    const op = await call('GET', this.name);
    if (op.done) {
      assert.equal(op.error.code, 1);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
});
