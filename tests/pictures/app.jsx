// Draws one dashboard's JSON with Grafana's own components, from a Prometheus' HTTP API.
// Heatmaps and state timelines are drawn plainly: Grafana keeps those panels out of its libraries.
import React from 'react';
import { createRoot } from 'react-dom/client';
import { of, lastValueFrom } from 'rxjs';
import * as data from '@grafana/data';
import * as ui from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import '@grafana/react-data-grid/lib/styles.css';
import 'uplot/dist/uPlot.min.css';

const { dashboard, prometheus, from, to, variables, scrape } = window.PICTURE;
const theme = data.createTheme({ colors: { mode: 'dark' } });
const CELL = 38, GAP = 8, WIDTH = 1600;
const unit = (WIDTH + GAP) / 24;

const duration = (seconds) => `${Math.max(1, Math.round(seconds))}s`;
const seconds = (text) => ({ s: 1, m: 60, h: 3600, d: 86400 })[text.slice(-1)] * parseFloat(text);

function filled(expr, step) {
  const rate = Math.max(step + scrape, 4 * scrape);
  return expr
    .replaceAll('$__rate_interval', duration(rate))
    .replaceAll('$__range', duration(to - from))
    .replaceAll('$__interval', duration(step))
    .replace(/\$\{(\w+)(:\w+)?\}/g, (_, name) => variables[name] ?? '.*');
}

const named = (legend, labels) =>
  legend === '__auto' ? JSON.stringify(labels) : legend.replace(/\{\{(\w+)\}\}/g, (_, n) => labels[n] ?? '');

async function ask(target, panel, width) {
  const step = Math.ceil(Math.max(panel.interval ? seconds(panel.interval) : 0, scrape, (to - from) / width));
  const expr = filled(target.expr, step);
  const path = target.instant ? 'query' : 'query_range';
  const params = target.instant ? { query: expr, time: to } : { query: expr, start: Math.ceil(from - (from % step)), end: to, step };
  const answer = await (await fetch(`${prometheus}/api/v1/${path}?${new URLSearchParams(params)}`)).json();
  if (answer.status !== 'success') throw new Error(`${panel.title}: ${answer.error}`);
  const result = answer.data.result;
  if (target.format === 'table') return [tableFrame(target, result, panel)];
  return result.map((one) => seriesFrame(target, one, step));
}

function tableFrame(target, result, panel) {
  const labels = [...new Set(result.flatMap((one) => Object.keys(one.metric)))].filter((l) => l !== '__name__');
  const value = panel.targets.length > 1 ? `Value #${target.refId}` : 'Value';
  if (!result.length) return { refId: target.refId, fields: [], length: 0 };
  return {
    refId: target.refId, length: result.length,
    fields: [
      { name: 'Time', type: 'time', config: {}, values: result.map(() => to * 1000) },
      ...labels.map((l) => ({ name: l, type: 'string', config: {}, values: result.map((one) => one.metric[l] ?? '') })),
      { name: value, type: 'number', config: {}, values: result.map((one) => parseFloat(one.value[1])) },
    ],
  };
}

function seriesFrame(target, one, step) {
  const pairs = one.values ?? [one.value];
  const found = new Map(pairs.map(([at, value]) => [Math.round(at * 1000), parseFloat(value)]));
  const times = [...found.keys()];
  if (one.values) { // what is missing is a gap
    times.length = 0;
    for (let at = found.keys().next().value; at <= to * 1000; at += step * 1000) times.push(Math.round(at));
  }
  const values = times.map((at) => { const v = found.get(at); return v === undefined || Number.isNaN(v) ? null : v; });
  const name = named(target.legendFormat, one.metric);
  return {
    refId: target.refId, name, length: times.length,
    fields: [
      { name: 'Time', type: 'time', config: {}, values: times },
      { name: 'Value', type: 'number', config: { displayName: name }, labels: one.metric, values },
    ],
  };
}

async function transformed(panel, frames) {
  let now = frames.filter((f) => f.fields.length);
  for (const one of panel.transformations ?? []) {
    const transformer = { merge: data.standardTransformers.mergeTransformer, organize: data.standardTransformers.organizeFieldsTransformer }[one.id];
    now = await lastValueFrom(of(now).pipe(transformer.operator(one.options, { interpolate: (x) => x })));
  }
  return now;
}

function configured(panel, frames) {
  const { defaults, overrides } = panel.fieldConfig;
  let index = 0;
  for (const frame of frames) {
    for (const field of frame.fields) {
      const name = field.config.displayName ?? field.name;
      const config = structuredClone({ ...defaults, ...field.config, custom: { ...defaults.custom, ...field.config.custom } });
      for (const one of overrides) {
        if (one.matcher.options !== name) continue;
        for (const { id, value } of one.properties) {
          if (id.startsWith('custom.')) config.custom[id.slice(7)] = value; else config[id] = value;
        }
      }
      if (field.type === 'time') { config.unit = undefined; config.color = undefined; }
      field.config = config;
      field.state = { ...field.state, displayName: name, seriesIndex: field.type === 'number' ? index++ : 0 };
      field.display = data.getDisplayProcessor({ field, theme, timeZone: 'utc' });
      field.getLinks = () => (config.links ?? []).map((l) => ({ href: '#', title: l.title, target: '_self', origin: field }));
    }
  }
  return frames;
}

const Empty = ({ panel }) => (
  <div style={{ display: 'flex', height: '100%', alignItems: 'center', justifyContent: 'center', color: theme.colors.text.secondary }}>
    {panel.fieldConfig.defaults.noValue}
  </div>
);

const last = (field) => [...field.values].reverse().find((v) => v !== null && !Number.isNaN(v));

function Graph({ panel, frames, width, height }) {
  const wanted = panel.options.legend;
  return (
    <ui.TimeSeries frames={frames} width={width} height={height} timeRange={range} timeZone="utc"
      structureRev={1} replaceVariables={(x) => x}
      legend={{ ...wanted, calcs: wanted.calcs }} options={{ tooltip: panel.options.tooltip, legend: wanted }}>
      {() => null}
    </ui.TimeSeries>
  );
}

function Number_({ panel, frames, width, height }) {
  const fields = frames.flatMap((f) => f.fields.filter((x) => x.type === 'number'));
  const shown = fields.length ? fields : [null];
  const name = { name: ui.BigValueTextMode.Name, value_and_name: ui.BigValueTextMode.ValueAndName }[panel.options.textMode] ?? ui.BigValueTextMode.Value;
  return (
    <div style={{ display: 'flex', gap: 4 }}>
      {shown.map((field, i) => {
        const value = field ? field.display(last(field)) : { text: panel.fieldConfig.defaults.noValue, numeric: 0, color: theme.colors.text.primary };
        const sparkline = field && panel.options.graphMode === 'area' && field.values.length > 1 ? { x: frames[i].fields[0], y: field } : undefined;
        return <ui.BigValue key={i} theme={theme} width={width / shown.length - 4} height={height}
          value={{ ...value, title: field?.state.displayName, color: panel.options.colorMode === 'none' ? theme.colors.text.primary : value.color }}
          sparkline={sparkline} graphMode={sparkline ? ui.BigValueGraphMode.Area : ui.BigValueGraphMode.None}
          colorMode={panel.options.colorMode === 'none' ? ui.BigValueColorMode.None : ui.BigValueColorMode.Value}
          textMode={name} justifyMode={ui.BigValueJustifyMode.Auto} />;
      })}
    </div>
  );
}

function Ranking({ panel, frames, width, height }) {
  const fields = frames.flatMap((f) => f.fields.filter((x) => x.type === 'number')).sort((a, b) => last(b) - last(a));
  const most = Math.max(...fields.map(last));
  const longest = (texts) => texts.reduce((a, b) => (b.length > a.length ? b : a), '');
  const factors = { // as wide for all as the longest needs, so that the bars begin and end together
    title: longest(fields.map((field) => field.state.displayName)),
    text: longest(fields.map((field) => data.formattedValueToString(field.display(last(field))))),
  };
  const line = height / Math.max(fields.length, 4);
  const text = { ...panel.options.text, titleSize: line < 30 ? 12 : panel.options.text.titleSize };
  return (
    <div>
      {fields.map((field, i) => (
        <div key={i} style={{ height: line }}>
          <ui.BarGauge theme={theme} width={width} height={Math.min(line, 60)}
            value={{ ...field.display(last(field)), title: field.state.displayName }} display={field.display}
            alignmentFactors={factors} field={{ ...field.config, min: 0, max: most }} orientation={data.VizOrientation?.Horizontal ?? 'horizontal'}
            displayMode="basic" itemSpacing={6} text={text} valueDisplayMode={panel.options.valueMode} />
        </div>
      ))}
    </div>
  );
}

function Rows({ panel, frames, width, height }) {
  const sort = panel.options.sortBy[0];
  const sortBy = sort ? [{ displayName: sort.displayName, desc: sort.desc }] : [];
  return <TableNG data={frames[0]} width={width} height={height} sortBy={sortBy} showTypeIcons={false} cellHeight="sm" timeRange={range}
    structureRev={1} noHeader={false} enablePagination={false} getActions={() => []} replaceVariables={(x) => x} />;
}

const clock = (at) => new Date(at).toISOString().slice(11, 16);

function Axis({ left, width }) {
  const marks = [0, 0.25, 0.5, 0.75, 1];
  return <g>{marks.map((m) => <text key={m} x={left + m * width} y={12} textAnchor={m === 1 ? 'end' : m ? 'middle' : 'start'} fill={theme.colors.text.secondary} fontSize="11">{clock((from + m * (to - from)) * 1000)}</text>)}</g>;
}

function States({ frames, width, height }) {
  const fields = frames.map((f) => f.fields);
  const left = 210, right = width - left - 10, line = Math.min(28, (height - 20) / fields.length);
  const x = (at) => left + Math.max(0, (at / 1000 - from) / (to - from)) * right;
  return (
    <svg width={width} height={height}>
      {fields.map(([time, value], row) => (
        <g key={row}>
          <text x={left - 8} y={row * line + line / 2 + 4} textAnchor="end" fill={theme.colors.text.primary} fontSize="12">{value.state.displayName}</text>
          {time.values.map((at, i) => value.values[i] === null ? null : (
            <rect key={i} x={x(at)} y={row * line + 2} width={Math.max(1, x(time.values[i + 1] ?? to * 1000) - x(at) + 0.5)} height={line - 4}
              fill={value.display(value.values[i]).color} opacity="0.75" />
          ))}
        </g>
      ))}
      <g transform={`translate(0, ${fields.length * line + 2})`}><Axis left={left} width={right} /></g>
    </svg>
  );
}

function Heat({ panel, frames, width, height }) {
  const bound = (frame) => parseFloat(frame.name.replace('+Inf', 'Infinity'));
  const sorted = [...frames].sort((a, b) => bound(a) - bound(b));
  const text = data.getValueFormat(panel.options.yAxis.unit);
  const cells = sorted.map((frame, i) => frame.fields[1].values.map((v, j) => Math.max(0, (v ?? 0) - (i ? sorted[i - 1].fields[1].values[j] ?? 0 : 0))));
  const used = cells.map((row, i) => [row, i]).filter(([row]) => row.some((v) => v > 0.01)).map(([, i]) => i);
  const low = Math.min(...used), high = Math.max(...used);
  const most = Math.max(...cells.flat());
  const left = 70, right = width - left - 10, count = sorted[0].length, line = (height - 20) / (high - low + 1);
  return (
    <svg width={width} height={height}>
      {cells.slice(low, high + 1).map((row, r) => {
        const y = (high - low - r) * line;
        const label = bound(sorted[r + low]);
        return (
          <g key={r}>
            <text x={left - 8} y={y + line / 2 + 4} textAnchor="end" fill={theme.colors.text.secondary} fontSize="11">
              {label === Infinity ? 'longer' : data.formattedValueToString(text(label))}
            </text>
            {row.map((v, c) => v > 0.01 && (
              <rect key={c} x={left + (c * right) / count} y={y + 1} width={right / count - 1} height={line - 2} fill="#ff9830" opacity={0.2 + 0.8 * Math.sqrt(v / most)} />
            ))}
          </g>
        );
      })}
      <g transform={`translate(0, ${height - 16})`}><Axis left={left} width={right} /></g>
    </svg>
  );
}

const KINDS = { timeseries: Graph, stat: Number_, bargauge: Ranking, table: Rows, 'state-timeline': States, 'status-history': States, heatmap: Heat };
const range = { from: data.dateTime(from * 1000), to: data.dateTime(to * 1000), raw: { from: 'now-1h', to: 'now' } };

function Panel({ panel, frames }) {
  const { x, y, w, h } = panel.gridPos;
  const width = w * unit - GAP, height = h * CELL - GAP;
  const style = { position: 'absolute', left: x * unit, top: y * CELL, width, height };
  if (panel.type === 'row') {
    return <div style={{ ...style, color: theme.colors.text.primary, fontSize: 16, fontWeight: 500, paddingTop: 6 }}>{panel.collapsed ? '›' : '⌄'} {panel.title}</div>;
  }
  const empty = !frames.some((f) => f.length);
  const Kind = KINDS[panel.type];
  return (
    <div style={style} data-empty={empty ? panel.title : ''}>
      <ui.PanelChrome title={panel.title} description={panel.description} width={width} height={height}>
        {(w, h) => (empty && panel.type !== 'stat' ? <Empty panel={panel} /> : <Kind panel={panel} frames={frames} width={w} height={h} />)}
      </ui.PanelChrome>
    </div>
  );
}

class Caught extends React.Component {
  state = {};
  static getDerivedStateFromError(error) { return { error }; }
  render() { return this.state.error ? <pre style={{ color: 'red' }}>{String(this.state.error.stack)}</pre> : this.props.children; }
}

async function main() {
  const loaded = await Promise.all(dashboard.panels.map(async (panel) => {
    if (panel.type === 'row') return [panel, []];
    const answers = await Promise.all(panel.targets.map((t) => ask(t, panel, panel.gridPos.w * unit)));
    const frames = configured(panel, await transformed(panel, answers.flat()));
    return [panel, frames];
  }));
  const Global = ui.GlobalStyles ?? (() => null);
  createRoot(document.getElementById('root')).render(
    <data.ThemeContext.Provider value={theme}>
      <Global />
      <div style={{ fontFamily: theme.typography.fontFamily, color: theme.colors.text.primary, padding: 16 }}>
        <div style={{ fontSize: 22, fontWeight: 500 }}>{dashboard.title}</div>
        <div style={{ color: theme.colors.text.secondary, marginBottom: 10 }}>{dashboard.description}</div>
        <div style={{ position: 'relative' }}>
          {loaded.map(([panel, frames]) => <Caught key={panel.id}><Panel panel={panel} frames={frames} /></Caught>)}
        </div>
      </div>
    </data.ThemeContext.Provider>
  );
}

main().catch((error) => { document.body.innerText = error.stack; });
