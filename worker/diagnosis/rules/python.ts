/** Python: modules, versions, syntax, and what a program cannot do where nobody sits before it. */
import { knownPackage, pythonRemoved } from '../python-packages.ts';
import { type Explanation, type Line, type Rule, rule } from './rule.ts';

const topOf = (module: string): string => module.split('.')[0] ?? module;

/** Names longer than this, or of other letters, are repeated nowhere. */
const ownFile = /\/app\/([\w./-]{1,100})$/;
const installed = /\/(?:site|dist)-packages\//;
const ofPython = /\/lib\/python3\.\d{1,2}\//;

const hides = (file: string, module: string): Explanation => ({
  what: `the bot's own file ${file} hides another module named ${topOf(module)}`,
  cure: 'rename the file and the imports of it',
});

function missingModule(module: string, text: string, { ownModules }: Line): Explanation {
  const top = topOf(module);
  const isOwn = ownModules?.has(top) === true;
  const known = knownPackage(module);
  if (text.includes('is not a package') && isOwn) return hides(`${top}.py`, top);
  if (isOwn && module !== top) {
    return {
      what: `${module} is not among the bot's own files`,
      cure: 'check its name (upper and lower case matter), and that the file was uploaded',
    };
  }
  if (isOwn) {
    return {
      what: `Python cannot find the bot's own ${top}, because it searches the folder of the started file`,
      cure: `start a file that is next to ${top}, or start it as a module from the parent folder (python -m)`,
    };
  }
  if (pythonRemoved.has(top)) {
    return {
      what: `the Python that runs the bot no longer has the module ${top}`,
      cure: 'use a newer version of the package that imports it, or an older Python in your own Dockerfile',
    };
  }
  if (known !== undefined) {
    return { what: `the module ${module} is missing`, cure: `add ${known} to the requirements` };
  }
  return {
    what: `the module ${module} is neither installed nor among the bot's files`,
    cure: 'if it is your own, upload it with the bot; if it belongs to a package, add that package to the requirements',
  };
}

function missingName(name: string, module: string, text: string, { ownModules }: Line): Explanation | undefined {
  const path = /\((?:unknown location|(\/[\w./+@-]{1,300}))\)$/.exec(text)?.[1] ?? '';
  const top = topOf(module);
  const known = knownPackage(module);
  if (installed.test(path)) {
    return known === undefined
      ? {
          what: `${name} is not in the installed version of the package with the module ${module}`,
          cure: 'the code was written for another version: pin that one in the requirements',
        }
      : {
          what: `${name} is not in the installed version of ${known}`,
          cure: `the code was written for another one; pin it in the requirements, for example ${exampleOf(known)}`,
        };
  }
  if (ofPython.test(path)) {
    return {
      what: `the Python that runs the bot has no ${name} in ${module}`,
      cure: 'use a newer version of the package that imports it, or an older Python in your own Dockerfile',
    };
  }
  const file = ownFile.exec(path)?.[1] ?? `${module.replaceAll('.', '/')}.py`;
  if (known !== undefined && path !== '') return hides(file, module);
  if (path === '' && ownModules?.has(top) !== true) return undefined;
  if (text.includes('partially initialized module')) {
    return {
      what: `the bot's own ${file} is imported before it has finished loading, because two files import each other`,
      cure: 'move what both need into a third file',
    };
  }
  return {
    what: `the bot's own ${file} has no ${name}`,
    cure: 'check the name, and that this is the file you meant to upload',
  };
}

const exampleOf = (known: string): string =>
  ({ aiogram: 'aiogram<3', 'python-telegram-bot': 'python-telegram-bot<14', 'discord.py': 'discord.py<2' })[known] ??
  `${known}<2`;

/** The place of a SyntaxError: the one it names, or the last place above it, unless that one only imports. */
function placeOfSyntaxError(text: string, before: readonly string[]): string | undefined {
  const inText = /in file (?:\/\S{0,200}?\/app\/|\/app\/)?([\w./-]{1,100}) on line (\d{1,7})/.exec(text);
  if (inText) return `${inText[1]}, line ${inText[2]}`;
  const last = before.findLast((each) => /^\s{0,40}File "/.test(each));
  const place = last === undefined ? undefined : pythonPlace.exec(last);
  // Line 0 is the file as a whole, which Python cannot read.
  if (!place) return undefined;
  return place[2] === '0' ? place[1] : `${place[1]}, line ${place[2]}`;
}
/** Only the place of the error itself is not in a function or module. */
const pythonPlace = /^\s{0,40}File "(?:\/[\w./-]{0,200}\/app\/|\/app\/)?([\w./-]{1,100})", line (\d{1,7})$/;

const syntaxWords: Readonly<Record<string, string>> = {
  SyntaxError: 'a syntax error',
  IndentationError: 'wrong indentation',
  TabError: 'a mix of tabs and spaces',
};

const noInput: Explanation = {
  what: 'the bot waits for keyboard input (input()), which does not exist here',
  cure: 'read it from an environment variable instead, and set that with -e',
};

const missingVariable = (name: string): Explanation => ({
  what: `the environment variable ${name} is missing`,
  cure: 'set it when you start the bot',
});

export const pythonRules: readonly Rule[] = [
  rule(
    'run',
    'own_file_hides',
    /\(consider renaming '(?:\/[\w./-]{0,200}\/app\/|\/app\/)([\w./-]{1,100})' since it has the same name as /,
    ([, file = '']) => hides(file, file.replace(/\.py$/, '')),
  ),
  rule(
    'run',
    'wrong_version',
    /^ImportError: cannot import name '([A-Za-z_]\w{0,80})' from (?:partially initialized module )?'([A-Za-z_][\w.]{0,80})'/,
    ([, name = '', module = ''], line) => missingName(name, module, line.text, line),
  ),
  rule(
    'run',
    'missing_module',
    /^(?:ModuleNotFoundError|ImportError): No module named '?([A-Za-z_][\w.]{0,80})'?/,
    ([, name = ''], line) => missingModule(name, line.text, line),
  ),
  // python -m NAME
  rule(
    'run',
    'missing_module',
    /^\/\S{1,100}\/python[\d.]{0,5}: No module named ([A-Za-z_][\w.]{0,80})$/,
    ([, name = ''], line) => missingModule(name, line.text, line),
  ),
  rule('build', 'build_module', /\bModuleNotFoundError: No module named '([A-Za-z_][\w.]{0,80})'/, ([, name = '']) => ({
    what: `Python lacks the module ${name} in the build`,
    cure: 'if a package needs it for its build, use a newer version of that package; if a step of your Dockerfile imports it, copy or install it before that step',
  })),
  rule(
    'run',
    'relative_import',
    /^(?:ImportError|ValueError): attempted relative import (?:with no known parent package|beyond top-level package)/,
    {
      what: 'the code uses a relative import (from . import ...) in a file that is not started as part of its package',
      cure: 'start it as a module (python -m package.file) from the parent folder, or import without the dots',
    },
  ),
  rule('run', 'missing_variable', /^KeyError: '([A-Za-z_]\w{0,80})'$/, ([, name = ''], { before }) =>
    before.some((text) => /environ\b|(<frozen os>|\/os\.py)", line \d{1,7}, in __getitem__/.test(text))
      ? missingVariable(name)
      : undefined,
  ),
  rule(
    'run',
    'missing_variable',
    /^(?:decouple\.UndefinedValueError: |environs\.[\w.]*Error: Environment variable ")([A-Za-z_]\w{0,80})(?: not found|" not set)/,
    ([, name = '']) => missingVariable(name),
  ),
  // The line of code above it says where the None came from.
  rule(
    'run',
    'missing_variable',
    /^(?:TypeError: (?:int|float)\(\) argument must be .{1,80}, not 'NoneType'|AttributeError: 'NoneType' object has no attribute 'split')$/,
    (_, { before }) => {
      const code = before.filter((text) => !/^[\s~^]*$/.test(text)).at(-1) ?? '';
      const name = /\b(?:getenv|environ\.get)\(['"]([A-Za-z_]\w{0,80})['"]\)/.exec(code)?.[1];
      return name === undefined ? undefined : missingVariable(name);
    },
  ),
  rule('run', 'input', /^EOFError(?:$|: EOF when reading a line)/, noInput),
  rule('run', 'syntax', /^(SyntaxError|IndentationError|TabError): (?!.*JSON)/, ([, kind = ''], { text, before }) => {
    // Node has the same word, with other places: node.ts.
    if (!before.some((each) => /^\s{0,40}File "/.test(each)) && !/ on line \d/.test(text)) return undefined;
    const place = placeOfSyntaxError(text, before);
    return {
      what: `the code has ${syntaxWords[kind]}${place === undefined ? '' : ` in ${place}`}`,
      cure: 'fix it and start the bot again',
    };
  }),
  rule(
    'run',
    'time_zone',
    /ZoneInfoNotFoundError: ['"]No time zone found with key |\bpytz\.exceptions\.UnknownTimeZoneError: /,
    {
      what: 'the image has no time zone data, or none with that name',
      cure: 'add tzdata to the requirements, and check the name of the zone',
    },
  ),
  rule(
    'run',
    'threads',
    /^RuntimeError: can't start new thread|\bpthread_create failed|^BlockingIOError: \[Errno 11\] Resource temporarily unavailable|^\S{1,30}: .{0,20}\b(?:Cannot fork|can't fork\b|fork: retry: Resource)/,
    {
      what: 'the bot cannot start another thread or process, because it has reached its limit',
      cure: 'start fewer of them, for example with a smaller pool',
    },
  ),
  rule('run', 'sqlite_open', /\bOperationalError\b.{0,40}unable to open database file/, {
    what: 'SQLite cannot open its database file: the folder does not exist, or the bot cannot write there',
    cure: 'keep the file in /data, which belongs to the bot and is kept',
  }),
  rule('run', 'sqlite_readonly', /\bOperationalError\b.{0,40}attempt to write a readonly database/, {
    what: 'SQLite can read the database file but not write it',
    cure: "keep the file in /data, which belongs to the bot and is kept; in your own Dockerfile make the bot's user its owner",
  }),
  rule('run', 'sqlite_locked', /\bOperationalError\b.{0,40}database is locked/, {
    what: 'the SQLite database is locked, because another connection writes to it',
    cure: 'keep transactions short, use one connection, or give connect() a longer timeout',
  }),
  rule('run', 'memory', /^MemoryError\b/, {
    what: 'the bot requested more memory than it may have',
    cure: 'give it more with --memory, or keep less in memory',
  }),
  rule(
    'run',
    'wrong_version',
    /^TypeError: Passing `?parse_mode`?,? .{0,100} to Bot initializer is not supported anymore/,
    {
      what: 'the code was written for an older aiogram than the one installed; since 3.7 parse_mode is passed in another way',
      cure: 'write Bot(token, default=DefaultBotProperties(parse_mode=...)), or require aiogram<3.7',
    },
  ),
  rule(
    'run',
    'wrong_version',
    /^TypeError: Updater\.__init__\(\) got an unexpected keyword argument '(?:use_context|token)'/,
    {
      what: 'the code was written for an older python-telegram-bot than the one installed',
      cure: 'require python-telegram-bot<14, or port the code to Application.builder()',
    },
  ),
  rule(
    'run',
    'missing_file',
    /: can't open file '(?:\/[\w./-]{0,200}\/app\/|\/app\/)?([\w./-]{1,100})': \[Errno 2\]/,
    ([, file = '']) => ({
      what: `${file}, the file to start, does not exist`,
      cure: 'check the name of the file, and in your own Dockerfile that it is copied',
    }),
  ),
];
