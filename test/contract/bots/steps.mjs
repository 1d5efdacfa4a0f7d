// A bot that does what the environment variable STEPS says: a JSON list of [name, value]. See ../steps.ts.
import { existsSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const write = (descriptor, text) => {
  for (let rest = Buffer.from(text); rest.length > 0; ) rest = rest.subarray(writeSync(descriptor, rest));
};
const print = (text) => write(1, `${text}\n`);
const stop = (signal) => {
  print(`got ${signal}`);
  process.exit(0);
};
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
// Keeps the process alive.
setInterval(() => {}, 1000);
for (const [name, value] of JSON.parse(process.env.STEPS)) {
  if (name === 'print') print(value);
  else if (name === 'printError') write(2, `${value}\n`);
  else if (name === 'fill') write(1, 'x'.repeat(value));
  else if (name === 'printEnv') print(`${value}=${process.env[value]}`);
  else if (name === 'count') for (let index = 0; index < value; index += 1) print(`line ${index}`);
  else if (name === 'tick') {
    let index = 0;
    setInterval(() => print(`tick ${index++}`), value);
  } else if (name === 'ignoreTerm') {
    process.off('SIGTERM', stop);
    process.on('SIGTERM', () => {});
  } else if (name === 'touch') {
    writeFileSync(value, '');
    print(`wrote ${value}`);
  } else if (name === 'keep') writeFileSync(join(process.env.BOTRUNNER_DATA_DIR, value), '');
  else if (name === 'kept') {
    print(`${value} ${existsSync(join(process.env.BOTRUNNER_DATA_DIR, value)) ? 'yes' : 'no'}`);
  } else if (name === 'work') {
    // Asking for the time used is itself mostly time of the system.
    for (let usedMs = 0; usedMs < value; ) {
      const { user, system } = process.cpuUsage();
      usedMs = (user + system) / 1000;
    }
  } else if (name === 'exit') process.exit(value);
}
