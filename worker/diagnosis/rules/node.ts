/** Node: modules, syntax, memory. */
import { knownNodePackage } from '../node-packages.ts';
import { type Explanation, type Line, type Rule, rule } from './rule.ts';

const missingFile = (file: string): Explanation => ({
  what: `${file} is not among the bot's files`,
  cure: 'check its name and path (upper and lower case matter), and that it was uploaded',
});

function missingPackage(name: string, { ownModules }: Line): Explanation {
  if (knownNodePackage(name))
    return { what: `the package ${name} is missing`, cure: `add ${name} to the requirements or to package.json` };
  if (ownModules?.has(name.split('/')[0] ?? name)) {
    return {
      what: `Node looks for a package named ${name}, but it is one of the bot's own files`,
      cure: `import it by its path, as ./${name}`,
    };
  }
  return {
    what: `the package ${name} is missing`,
    cure: 'if the bot needs it, add it to package.json; if it is your own file, import it by its path, with a leading ./',
  };
}

/** `bot.js, line 3`: Node prints the place some lines above the error. */
function placeIn(before: readonly string[]): string | undefined {
  const last = before.findLast((each) => /^(?:file:\/\/)?\/.{1,300}\.[cm]?[jt]sx?:\d{1,7}$/.test(each));
  const place = last === undefined ? undefined : /(?:^|\/)app\/([\w./-]{1,100}):(\d{1,7})$/.exec(last);
  return place ? `${place[1]}, line ${place[2]}` : undefined;
}

const typescript: Explanation = {
  what: 'the Node.js that runs the bot cannot run TypeScript',
  cure: 'compile it to JavaScript, for example with tsc, and start that',
};

export const nodeRules: readonly Rule[] = [
  rule(
    'run',
    'missing_file',
    /Cannot find (?:module|package) '(?:\/[\w./-]{0,200}\/app\/|\/app\/|(?=\.{1,2}\/))([\w.][\w./-]{0,100})'/,
    ([, file = '']) => missingFile(file),
  ),
  rule(
    'run',
    'missing_module',
    /Cannot find (?:module|package) '((?:@[\w.-]{1,60}\/)?[\w][\w.-]{0,80})(\/[\w./-]{0,100})?'/,
    ([, name = ''], line) => missingPackage(name, line),
  ),
  rule('run', 'module_kind', /^SyntaxError: Cannot use import statement outside a module/, {
    what: 'the code uses import, but Node treats its file as CommonJS',
    cure: 'add "type": "module" to package.json, or rename the file to .mjs',
  }),
  rule(
    'run',
    'module_kind',
    /^ReferenceError: (?:require|module|exports|__dirname) is not defined in ES module scope/,
    {
      what: 'the code uses CommonJS (require or module.exports), but Node treats its file as an ES module',
      cure: 'rename the file to .cjs, remove "type": "module" from package.json, or use import and export',
    },
  ),
  rule(
    'run',
    'missing_export',
    /^SyntaxError: The requested module '([\w@.][\w@./-]{0,100})' does not provide an export named '([A-Za-z_$][\w$]{0,80})'/,
    ([, module = '', name = '']) =>
      module.startsWith('.')
        ? { what: `the bot's own ${module} exports no ${name}`, cure: 'check the name, and that it is exported there' }
        : {
            what: `${name} is not in the installed version of the package ${module}`,
            cure: 'check the name, or require the version that the code was written for',
          },
  ),
  rule(
    'run',
    'typescript_syntax',
    /^SyntaxError \[ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX\]: TypeScript ([a-z][a-z ]{0,40}) is not supported in strip-only mode/,
    ([, syntax = '']) => ({
      what: `Node.js runs TypeScript by stripping its types, and cannot run a TypeScript ${syntax}`,
      cure: 'write it in plain JavaScript (for an enum, an object), or compile the bot to .js before you upload it',
    }),
  ),
  rule('run', 'typescript', /\bERR_UNKNOWN_FILE_EXTENSION\b.{0,60}"\.tsx?"/, typescript),
  rule('run', 'syntax', /^SyntaxError: (?!.*JSON)/, (_, { before }) => {
    const place = placeIn(before);
    if (place !== undefined && /\.tsx?,/.test(place)) return typescript;
    return {
      what: `the code has a syntax error${place === undefined ? '' : ` in ${place}`}`,
      cure: 'fix it and start the bot again',
    };
  }),
  rule('run', 'memory', /^FATAL ERROR: .{0,100}JavaScript heap out of memory/, {
    what: 'the bot used up the memory available to Node',
    cure: 'give it more with --memory, or keep less in memory',
  }),
];
