/** .gitmodules: where the submodules of a repository belong (gitmodules(5)). */

export const gitmodules = '.gitmodules';
/** Larger ones are not looked at. */
export const gitmodulesMaxBytes = 64 * 1024;

/** The paths of the submodules, relative to the root of the repository, in their order. */
export const submodulePaths = (text: string): readonly string[] =>
  text.split('\n').flatMap((line) => {
    const [name = '', ...value] = line.split('=');
    const path = value.join('=').trim().replaceAll('"', '');
    return name.trim() === 'path' && path !== '' ? [path] : [];
  });
