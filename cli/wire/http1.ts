/** The Connect protocol over HTTP/1.1, for streams through a proxy that speaks nothing newer. */
import type { Transport } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import type { ConnectionSettings } from '../options/settings.ts';
import { answerBytesMax } from './answer-bytes.ts';
import { sendToken } from './send-token.ts';

export const openHttp1 = ({ url, token }: ConnectionSettings): Transport =>
  createConnectTransport({
    baseUrl: url,
    httpVersion: '1.1',
    interceptors: [sendToken(token)],
    acceptCompression: [],
    readMaxBytes: answerBytesMax,
  });
