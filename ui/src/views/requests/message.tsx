// What was said: one side of a request, as its protocol says it.
import { parseJson } from '../../api/ndjson';
import type { Row, Table, Value } from '../../api/types';
import { Body } from '../../parts/body';
import { bytes, count, plain } from '../../parts/format';
import { Unknown } from '../../parts/small';
import { headerList } from './curl';
import { SHARED } from './row-query';

const text = (value: Value | undefined): string | null => (value === null || value === undefined ? null : plain(value));

function jsonOf(value: Value | undefined): Value {
  if (typeof value !== 'string') return value ?? null;
  try {
    return parseJson(value);
  } catch {
    return value;
  }
}

export interface MessageProps {
  row: Row;
  table: Table | undefined;
  side: 'request' | 'response';
}

export function Message({ row, table, side }: MessageProps) {
  const size = side === 'request' ? row.request_bytes : row.response_bytes;
  return (
    <>
      <Said row={row} table={table} side={side} />
      <p className="quiet foot">
        {typeof size === 'number' ? (
          <span title={`${count(size)} bytes`}>{bytes(size)} on the connection, framing included</span>
        ) : (
          `The size of this ${side} is not known.`
        )}
        {row.gap_before === true && <span className="mark">bytes before this message were not seen</span>}
      </p>
    </>
  );
}

function Said({ row, table, side }: MessageProps) {
  if ('req_method' in row || 'resp_status' in row || table?.name === 'http_events') return <Http row={row} side={side} />;
  if (table?.name === 'redis_events') return <Redis row={row} side={side} />;
  if (table?.name === 'dns_events') return <Dns row={row} side={side} />;
  return <Other row={row} table={table} side={side} />;
}

function Http({ row, side }: { row: Row; side: 'request' | 'response' }) {
  const truncated = row.truncated === true;
  if (side === 'request') {
    return (
      <>
        <p className="start-line mono">
          <strong>{text(row.req_method) ?? '–'}</strong> {text(row.req_path) ?? '–'} <span className="quiet">HTTP/{text(row.http_version) ?? '–'}</span>
        </p>
        {row.grpc_service !== null && row.grpc_service !== undefined && (
          <p className="quiet">
            gRPC {text(row.grpc_service)} / {text(row.grpc_method)}
          </p>
        )}
        <Headers value={row.req_headers} />
        <h3>Body</h3>
        <Body text={row.req_body} size={row.req_body_bytes} truncated={truncated} absent={noBody(row.req_body_bytes)} />
      </>
    );
  }
  if (row.resp_status === null || row.resp_status === undefined) {
    return <p className="quiet">No response was seen{row.broken === true ? ': the connection ended before it.' : '.'}</p>;
  }
  return (
    <>
      <p className="start-line mono">
        <span className="quiet">HTTP/{text(row.http_version) ?? '–'}</span> <strong>{text(row.resp_status)}</strong>
        {row.grpc_status !== null && row.grpc_status !== undefined && ` · gRPC status ${text(row.grpc_status)} ${text(row.grpc_message) ?? ''}`}
      </p>
      <Headers value={row.resp_headers} />
      <h3>Body</h3>
      <Body text={row.resp_body} size={row.resp_body_bytes} truncated={truncated} absent={noBody(row.resp_body_bytes)} />
    </>
  );
}

function noBody(size: Value | undefined): string {
  if (size === 0) return 'Empty.';
  return typeof size === 'number' ? `${bytes(size)}, of which nothing was kept.` : 'None.';
}

function Headers({ value }: { value: Value | undefined }) {
  const headers = headerList(value);
  return (
    <>
      <h3>Headers</h3>
      {headers.length === 0 ? (
        <p className="quiet">{value === null || value === undefined ? 'Not seen.' : 'None.'}</p>
      ) : (
        <table className="plain headers">
          <tbody>
            {headers.map(([name, held], index) => (
              <tr key={`${name}${index}`}>
                <th scope="row">{name}</th>
                <td className="mono">{held}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}

function Redis({ row, side }: { row: Row; side: 'request' | 'response' }) {
  if (side === 'request') {
    const args = jsonOf(row.args);
    const list = Array.isArray(args) ? args : [];
    const total = typeof row.args_count === 'number' ? row.args_count : list.length;
    return (
      <>
        <p className="start-line mono">
          <strong>{text(row.command) ?? '–'}</strong>
        </p>
        <h3>Arguments</h3>
        {total === 0 && <p className="quiet">None.</p>}
        <ol className="arguments mono">
          {list.map((argument, index) => (
            <li key={index}>{plain(argument)}</li>
          ))}
        </ol>
        {list.length < total && <p className="mark">{count(total - list.length)} more were not kept</p>}
      </>
    );
  }
  if (typeof row.error === 'string') return <pre className="bad">{row.error}</pre>;
  const absent = row.response_type === null || row.response_type === undefined ? 'No response was seen.' : 'nil';
  return (
    <>
      <p className="quiet">{text(row.response_type) ?? ''}</p>
      <Body text={row.response} size={null} truncated={row.truncated === true} absent={absent} />
    </>
  );
}

function Dns({ row, side }: { row: Row; side: 'request' | 'response' }) {
  if (side === 'request') {
    return (
      <>
        <p className="start-line mono">
          <strong>{text(row.query_type) ?? '–'}</strong> {text(row.query_name) ?? '–'}
        </p>
        <p className="quiet">
          Query {text(row.query_id) ?? '–'} over {text(row.transport) ?? '–'}
        </p>
      </>
    );
  }
  const answers = jsonOf(row.answers);
  const list = Array.isArray(answers) ? answers : [];
  return (
    <>
      <p className="start-line mono">
        <strong>{text(row.rcode) ?? 'no answer was seen'}</strong>
      </p>
      {list.length > 0 && (
        <table className="plain">
          <thead>
            <tr>
              <th>Name</th>
              <th>Type</th>
              <th className="right">TTL</th>
              <th>Data</th>
            </tr>
          </thead>
          <tbody>
            {list.map((answer, index) => {
              const held = typeof answer === 'object' && answer !== null && !Array.isArray(answer) ? answer : {};
              return (
                <tr key={index} className="mono">
                  <td>{plain(held.name)}</td>
                  <td>{plain(held.type)}</td>
                  <td className="right">{typeof held.ttl === 'number' ? `${held.ttl} s` : <Unknown />}</td>
                  <td>{plain(held.data)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      )}
      {list.length === 0 && row.rcode !== null && row.rcode !== undefined && <p className="quiet">No answer records.</p>}
    </>
  );
}

/** Columns by which the answer is told, over the protocols that have no page of their own. */
const ANSWERS = /^(resp|response|error|rows|affected|command_tag|status|documents|alert|handshake|answer|value_bytes)/;

function Other({ row, table, side }: MessageProps) {
  const names = (table?.columns.map((column) => column.name) ?? Object.keys(row)).filter((name) => !SHARED.has(name));
  const mine = names.filter((name) => ANSWERS.test(name) === (side === 'response'));
  return (
    <table className="plain headers">
      <tbody>
        {mine.map((name) => (
          <tr key={name}>
            <th scope="row" title={table?.columns.find((column) => column.name === name)?.meaning}>
              {name}
            </th>
            <td className="mono">{row[name] === null || row[name] === undefined ? <Unknown /> : plain(row[name])}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
