/** Zip archives without compression: all that a Python wheel needs. Format: APPNOTE.TXT of PKWARE, sections 4.3.7 to 4.3.16. */
import { crc32 } from 'node:zlib';

const utf8Names = 0x0800;
/** 1980-01-01, the format's first day. */
const dosDate = 0x0021;
const madeOnUnix = 0x0314;
const regularFile = 0o100644;

export function createZip(files: ReadonlyMap<string, Buffer>): Buffer {
  const local: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const [path, content] of files) {
    const name = Buffer.from(path);
    const shared = sharedFields(name, content);

    const header = Buffer.alloc(4);
    header.writeUInt32LE(0x04034b50, 0);
    local.push(header, shared, name, content);

    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt16LE(madeOnUnix, 4);
    shared.copy(entry, 6);
    entry.writeUInt32LE((regularFile << 16) >>> 0, 38);
    entry.writeUInt32LE(offset, 42);
    central.push(entry, name);

    offset += header.length + shared.length + name.length + content.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(files.size, 8);
  end.writeUInt16LE(files.size, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...local, directory, end]);
}

/** The 26 bytes that the local header and the central entry have in common. */
function sharedFields(name: Buffer, content: Buffer): Buffer {
  const fields = Buffer.alloc(26);
  fields.writeUInt16LE(20, 0); // needs version 2.0 to extract
  fields.writeUInt16LE(utf8Names, 2);
  fields.writeUInt16LE(dosDate, 8);
  fields.writeUInt32LE(crc32(content), 10);
  fields.writeUInt32LE(content.length, 14);
  fields.writeUInt32LE(content.length, 18);
  fields.writeUInt16LE(name.length, 22);
  return fields;
}
