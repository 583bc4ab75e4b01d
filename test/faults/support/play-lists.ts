import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fixturePath, runFfmpeg } from '../../support/audio-fixtures.ts';

/** What must not be reached. */
export interface Targets {
  /** Host and port that nobody may call. */
  readonly address: string;
  /** A file of somebody else. */
  readonly path: string;
}

/** Play lists of every kind that ffmpeg knows, by name: each points at the address or the file. */
export function playLists({ address, path: canary }: Targets): Record<string, string> {
  const hls = (target: string) =>
    `#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXT-X-MEDIA-SEQUENCE:0\n#EXTINF:10.0,\n${target}\n#EXT-X-ENDLIST\n`;
  const dash = (target: string) =>
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT3S">' +
    '<Period><AdaptationSet mimeType="audio/mp4"><Representation id="1" bandwidth="1">' +
    `<BaseURL>${target}</BaseURL></Representation></AdaptationSet></Period></MPD>`;
  const targets = {
    http: `http://${address}/a.mp3`,
    https: `https://${address}/a.mp3`,
    tcp: `tcp://${address}`,
    file: `file://${canary}`,
    path: canary,
    concat: `concat:${canary}|${canary}`,
    subfile: `subfile,,start,0,end,20000,,:${canary}`,
    crypto: `crypto:${canary}`,
    cache: `cache:http://${address}/`,
    data: 'data:audio/mpeg;base64,SUQz',
    gopher: `gopher://${address}/1`,
    ftp: `ftp://${address}/a.mp3`,
  };
  const lists: Record<string, string> = {};
  for (const [kind, target] of Object.entries(targets)) {
    lists[`hls ${kind}`] = hls(target);
    lists[`dash ${kind}`] = dash(target);
    lists[`ffconcat ${kind}`] = `ffconcat version 1.0\nfile '${target}'\n`;
    lists[`concat ${kind}`] = `file '${target}'\n`;
    lists[`pls ${kind}`] = `[playlist]\nNumberOfEntries=1\nFile1=${target}\n`;
    lists[`asx ${kind}`] = `<asx version="3.0"><entry><ref href="${target}"/></entry></asx>`;
    lists[`bare ${kind}`] = `${target}\n`;
  }
  lists['hls key'] =
    `#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXT-X-KEY:METHOD=AES-128,URI="http://${address}/k"\n#EXTINF:1,\n${canary}\n`;
  lists['hls behind id3'] = `ID3\x04\0\0\0\0\0\0${hls(targets.http)}`;
  lists['hls behind rubbish'] = `${'\0'.repeat(512)}${hls(targets.http)}`;
  lists.sdp = `v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio ${address.split(':')[1]} RTP/AVP 0\r\n`;
  lists.rtsp = `rtsptext rtsp://${address}/\n`;
  lists.smil = `<smil><body><audio src="http://${address}/"/></body></smil>`;
  lists.xspf = `<?xml version="1.0"?><playlist><trackList><track><location>http://${address}/</location></track></trackList></playlist>`;
  lists['image sequence'] = 'img%03d.png';
  return lists;
}

/** The same behind signatures that pass our own check of a file's first bytes. */
export function signedPlayLists(address: string): string[] {
  const text = `\n#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://${address}/a.ts\n`;
  const signatures = [
    'OggS',
    'fLaC',
    '\x1a\x45\xdf\xa3',
    '\0\0\0\x10ftypM4A ',
    'RIFF\0\0\0\0WAVEfmt ',
    'caff',
    '#!AMR\n',
    'FLV\x01',
  ];
  return signatures.map((signature) => signature + text);
}

/** A QuickTime file of two seconds that says its sound lies elsewhere. */
export async function referringMovie(folder: string, target: string): Promise<Buffer> {
  const path = join(folder, 'reference.mov');
  await runFfmpeg(['-i', fixturePath('jfk.wav'), '-t', '2', '-c:a', 'pcm_s16le', '-f', 'mov', path]);
  const movie = await readFile(path);
  const at = movie.indexOf(Buffer.from('dref'));
  const url = movie.indexOf(Buffer.from('url '), at);
  const entry = url === -1 ? movie.indexOf(Buffer.from('alis'), at) : url;
  if (entry <= 0) throw new Error('this ffmpeg writes no data reference');
  // The data reference with flag 1 means "in this file"; without it a name follows.
  movie.writeUInt32BE(0, entry + 4);
  return Buffer.concat([movie, Buffer.from(`${target}\0`)]);
}
