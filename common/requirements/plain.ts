/**
 * One plain requirement: what may be in the list of a request, where no item can carry an option, a URL or a second line to the
 * package installer. Python: the name, extras, version and marker parts of PEP 508 (https://peps.python.org/pep-0508/), no direct
 * references. Node: name@range as `npm install` takes it, registry packages only. Everything else belongs into a file that the
 * installer reads itself. Pure.
 */

const requirementMaxLength = 256;

const pythonName = `[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?`;
const pythonVersion = `(?:===|==|!=|~=|<=|>=|<|>)[ ]?[A-Za-z0-9.*+!_-]+`;
// What is quoted may be any text on the line but a path, which workers of 0.1.0 take none of.
const pythonMarker = `;(?:[ A-Za-z0-9_.<>=!~()+*-]|'[^'\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029\\\\/]*'|"[^"\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029\\\\/]*")+`;
// For text in which no two spaces stand together: places where any number of them may stand, side by side, would be tried in
// all ways to share them out.
const pythonPattern = new RegExp(
  `^${pythonName}[ ]?(?:\\[[ ]?${pythonName}(?:[ ]?,[ ]?${pythonName})*[ ]?\\])?[ ]?` +
    `(?:${pythonVersion}(?:[ ]?,[ ]?${pythonVersion})*|\\([ ]?${pythonVersion}(?:[ ]?,[ ]?${pythonVersion})*[ ]?\\))?[ ]?(?:${pythonMarker})?$`,
);

// Ranges: digits, words such as "latest", comparators; no ":" or "/", which would make it a URL, alias or folder.
const nodePattern = /^(?:@[a-z0-9][a-z0-9._~-]*\/)?[a-z0-9][a-z0-9._~-]*(?:@[A-Za-z0-9.*+^~<>=| -]+)?$/;

/** `item` without white space around it. */
export const isPlainRequirement = (item: string, language: 'python' | 'node'): boolean =>
  item.length <= requirementMaxLength &&
  (language === 'python' ? pythonPattern : nodePattern).test(item.replace(/[ \t]+/g, ' '));
