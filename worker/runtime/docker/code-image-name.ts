/** The name of an image with the packages and the code of a bot's version, beside that of the version (code-image.ts). Pure. */

const suffix = '-code';

export const codeImageName = (image: string): string => `${image}${suffix}`;

export const isCodeImage = (image: string): boolean => image.startsWith('bot_image_') && image.endsWith(suffix);

/** The version that an image with code belongs to; other names as they are. */
export const versionOf = (image: string): string => (isCodeImage(image) ? image.slice(0, -suffix.length) : image);
