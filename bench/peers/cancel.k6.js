import http from 'k6/http';
import { check, sleep } from 'k6';

const base = __ENV.BASE;
const json = { headers: { 'Content-Type': 'application/json' } };

export default function () {
  const started = http.post(`${base}/projects/demo/jobs:start`, '{"kind":"running"}', json);
  const name = started.json('name');
  check(http.get(`${base}/${name}`), { 'in progress': (r) => !r.json('done') });
  check(http.post(`${base}/${name}:cancel`, '{}', json), { accepted: (r) => r.status === 200 });
  let op;
  for (let pause = 0.001; ; pause *= 1.5) {
    op = http.get(`${base}/${name}`);
    if (op.json('done')) break;
    sleep(pause);
  }
  check(op, { cancelled: (r) => r.json('error.code') === 1 });
}
