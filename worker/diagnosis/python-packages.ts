/**
 * Python packages that may be proposed by name: those that bots commonly use, by the module that code imports. A module that
 * is not here is never treated as a package: its name on the index may be free for anybody.
 */

/** Where the name for pip is another one. */
const renamed: Readonly<Record<string, string>> = {
  Crypto: 'pycryptodome',
  MySQLdb: 'mysqlclient',
  OpenSSL: 'pyOpenSSL',
  PIL: 'Pillow',
  aiohttp_socks: 'aiohttp-socks',
  apscheduler: 'APScheduler',
  babel: 'Babel',
  bs4: 'beautifulsoup4',
  cv2: 'opencv-python-headless',
  dateutil: 'python-dateutil',
  decouple: 'python-decouple',
  discord: 'discord.py',
  django: 'Django',
  docx: 'python-docx',
  dotenv: 'python-dotenv',
  fitz: 'PyMuPDF',
  flask: 'Flask',
  'google.generativeai': 'google-generativeai',
  'google.protobuf': 'protobuf',
  gtts: 'gTTS',
  jinja2: 'Jinja2',
  jwt: 'PyJWT',
  magic_filter: 'magic-filter',
  'mysql.connector': 'mysql-connector-python',
  nacl: 'PyNaCl',
  pkg_resources: 'setuptools',
  prometheus_client: 'prometheus-client',
  psycopg: 'psycopg[binary]',
  psycopg2: 'psycopg2-binary',
  pydantic_settings: 'pydantic-settings',
  pymysql: 'PyMySQL',
  sentry_sdk: 'sentry-sdk',
  serial: 'pyserial',
  sklearn: 'scikit-learn',
  socks: 'PySocks',
  speech_recognition: 'SpeechRecognition',
  sqlalchemy: 'SQLAlchemy',
  telebot: 'pyTelegramBotAPI',
  telegram: 'python-telegram-bot',
  telethon: 'Telethon',
  tortoise: 'tortoise-orm',
  yaml: 'PyYAML',
  yt_dlp: 'yt-dlp',
};

const sameName: ReadonlySet<string> = new Set(
  'aiocache aiofiles aiogram aiohttp aiomysql aiosqlite alembic anthropic anyio arrow asyncpg attrs beanie boto3 cachetools celery certifi cryptography disnake emoji environs fastapi feedparser gspread httpx instaloader loguru lxml matplotlib motor nextcord numpy openai openpyxl orjson pandas peewee pendulum pony pydantic pydub pymongo pyrogram pytz qrcode redis requests schedule setuptools six starlette structlog tenacity tqdm tzdata tzlocal ujson uvicorn uvloop vk_api vkbottle websockets'.split(
    ' ',
  ),
);

/** What to put among the requirements for a module, by its dotted name; undefined for one that is not known. */
export function knownPackage(module: string): string | undefined {
  const top = module.split('.')[0] ?? module;
  return own(module) ?? own(top) ?? (sameName.has(top) ? top : undefined);
}

const own = (module: string): string | undefined => (Object.hasOwn(renamed, module) ? renamed[module] : undefined);

/** Modules that Python 3.12 and 3.13 no longer have: https://peps.python.org/pep-0594/ and pep-0632. */
export const pythonRemoved: ReadonlySet<string> = new Set(
  'aifc asynchat asyncore audioop cgi cgitb chunk crypt distutils imghdr imp lib2to3 mailcap msilib nis nntplib ossaudiodev pipes smtpd sndhdr spwd sunau telnetlib uu xdrlib'.split(
    ' ',
  ),
);
