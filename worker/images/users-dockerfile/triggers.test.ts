import { expect, it } from 'vitest';
import { copiesFromElsewhere } from './triggers.ts';

it.each([
  'ADD http://10.0.0.5/x /app/',
  'ADD http:/\\/10.0.0.5/x /app/',
  'ADD h"ttp:/"/10.0.0.5/x /app/',
  'ADD ["https:\\u002f/10.0.0.5/x", "/app/"]',
  'ADD http://10.0.0.5/x\\ /app/',
  'ADD $FROM /app/',
  'ADD https://git.example/bot.git /app/',
  'ADD git@git.example:bot.git /app/',
  'COPY --from=other /x /app/',
  'ADD ["http://10.0.0.5/x", "/app/"] y',
  'ADD git://git.example/bot /app/',
  'RUN --mount=type=cache,id=pip,target=/c true',
  'RUN --mount=from=other,target=/m true',
])('%s in a base image copies from elsewhere', (trigger) => {
  expect(copiesFromElsewhere(trigger)).toBe(true);
});

it.each(['ADD code.tar.gz /app/', 'ADD dir/$NAME $TARGET', 'COPY . /app/', 'RUN wget http://files.example/x'])(
  '%s in a base image copies from the source at most',
  (trigger) => {
    expect(copiesFromElsewhere(trigger)).toBe(false);
  },
);
