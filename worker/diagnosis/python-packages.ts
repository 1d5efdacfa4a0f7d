/** Packages whose name for pip differs from the module that code imports, as far as bots commonly use them. */
const packages: ReadonlyMap<string, string> = new Map([
  ['telegram', 'python-telegram-bot'],
  ['telebot', 'pyTelegramBotAPI'],
  ['dotenv', 'python-dotenv'],
  ['bs4', 'beautifulsoup4'],
  ['PIL', 'Pillow'],
  ['yaml', 'PyYAML'],
  ['cv2', 'opencv-python-headless'],
  ['sklearn', 'scikit-learn'],
  ['dateutil', 'python-dateutil'],
  ['psycopg2', 'psycopg2-binary'],
  ['MySQLdb', 'mysqlclient'],
  ['jwt', 'PyJWT'],
  ['google.protobuf', 'protobuf'],
  ['speech_recognition', 'SpeechRecognition'],
]);

/** What to put among the requirements for a module that is not there, by its dotted name. */
export function packageOf(module: string): string {
  const top = module.split('.')[0] ?? module;
  return packages.get(module) ?? packages.get(top) ?? top;
}
