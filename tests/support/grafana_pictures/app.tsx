// Draws one dashboard with the components that Grafana publishes on npm: its frames, values, bars, lines and tables.
//
// Grafana itself is more than these: its panels' own code, its queries and its page are not published. What this page does
// in their place is little: answers of Prometheus become data frames, and each kind of panel is given to its component.
import React from 'react';
import { createRoot } from 'react-dom/client';
import type { DataFrame } from '@grafana/data';

// Required, not imported: so both are the same build of each package, with one theme between them.
const {
  FieldConfigOptionsRegistry, FieldType, ThemeContext, applyFieldOverrides, createTheme, dateTime, getFieldDisplayValues,
  renderMarkdown, standardTransformers, standardTransformersRegistry, toDataFrame, transformDataFrame,
} = require('@grafana/data');
const { BarGauge, BigValue, GlobalStyles, PanelChrome, Table, TimeSeries, VizRepeater } = require('@grafana/ui');

declare const require: any;
declare global { interface Window { stage: any; drawn: boolean } }

const { dashboard, answers, from, to, dark } = window.stage;
const theme = createTheme({ colors: { mode: dark ? 'dark' : 'light' } });
const timeRange = { from: dateTime(from), to: dateTime(to), raw: { from: dateTime(from), to: dateTime(to) } };
const ROW = 38, COLUMN = Math.floor(window.innerWidth / 24);

// What an override may change, as far as our dashboards do.
const registry = new FieldConfigOptionsRegistry(() => [
  ...['unit', 'decimals', 'mappings', 'thresholds', 'color', 'links'].map((id) => property(id, false)),
  property('cellOptions', true),
]);
function property(path: string, custom: boolean): any {
  return {
    id: custom ? `custom.${path}` : path, path, name: path, isCustom: custom,
    process: (value: unknown) => value, shouldApply: () => true, override: () => null, editor: () => null,
  };
}
standardTransformersRegistry.setInit(() =>
  // Those that our dashboards use.
  ['merge', 'organize', 'filterFieldsByName'].map((id) => Object.values(standardTransformers).find((it: any) => it.id === id)).map((one: any) => ({
    id: one.id, name: one.name, transformation: () => Promise.resolve(one), editor: () => null,
  })) as any
);

function named(pattern: string, labels: Record<string, string>): string | undefined {
  if (pattern === '__auto') {
    return undefined;
  }
  return pattern.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, label) => labels[label] ?? label);
}

function frames(panel: any): DataFrame[] {
  const many = panel.targets.length > 1;
  return panel.targets.flatMap((target: any, index: number) => {
    const series = answers[panel.id]?.[index] ?? [];
    return target.format === 'table' ? [asTable(target, series, many)] : series.map((one: any) => asLine(target, one));
  });
}

function asLine(target: any, one: any): DataFrame {
  const points = one.values ?? [one.value];
  const { __name__: metric, ...labels } = one.metric;
  return toDataFrame({
    refId: target.refId,
    name: named(target.legendFormat, one.metric),
    fields: [
      { name: 'Time', type: FieldType.time, values: points.map((p: any) => p[0] * 1000), config: {} },
      {
        name: metric ?? 'Value', type: FieldType.number, labels, values: points.map((p: any) => Number(p[1])),
        config: { displayNameFromDS: named(target.legendFormat, one.metric) },
      },
    ],
  });
}

function asTable(target: any, series: any[], many: boolean): DataFrame {
  const labels = [...new Set(series.flatMap((one) => Object.keys(one.metric)))].sort();
  return toDataFrame({
    refId: target.refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: series.map((one) => one.value[0] * 1000), config: {} },
      ...labels.map((label) => ({
        name: label, type: FieldType.string, values: series.map((one) => one.metric[label] ?? ''), config: {},
      })),
      {
        name: many ? `Value #${target.refId}` : 'Value', type: FieldType.number,
        values: series.map((one) => Number(one.value[1])), config: {},
      },
    ],
  });
}

function configured(panel: any, data: DataFrame[]): DataFrame[] {
  return applyFieldOverrides({
    data, fieldConfig: panel.fieldConfig, fieldConfigRegistry: registry as any,
    replaceVariables: (text: string) => text, theme, timeZone: 'utc',
  });
}

function Values({ panel, data, width, height, draw, orientation }: any) {
  const get = () =>
    getFieldDisplayValues({
      fieldConfig: panel.fieldConfig, reduceOptions: panel.options.reduceOptions, theme, data, timeZone: 'utc',
      replaceVariables: (text: string) => text, sparkline: panel.options.graphMode === 'area',
    });
  return (
    <VizRepeater
      getValues={get} source={data} renderCounter={1} width={width} height={height} orientation={orientation}
      autoGrid={panel.type === 'stat'} itemSpacing={8} minVizHeight={16} maxVizHeight={300} renderValue={draw}
    />
  );
}

function Viz({ panel, width, height }: any) {
  if (panel.type === 'text') {
    return <div className="markdown-html" dangerouslySetInnerHTML={{ __html: renderMarkdown(panel.options.content) }} />;
  }
  const data = panel.data as DataFrame[];
  const nothing = data.every((frame) => frame.length === 0);
  if (panel.type === 'state-timeline') {
    return <p style={{ padding: 8 }}>Grafana draws a state timeline here. Its component is not published on npm.</p>;
  }
  if (nothing && panel.type !== 'stat') {
    return <div style={{ display: 'grid', placeItems: 'center', height, color: theme.colors.text.secondary }}>
      {panel.fieldConfig.defaults.noValue ?? 'No data'}
    </div>;
  }
  switch (panel.type) {
    case 'stat':
      return <Values {...{ panel, data, width, height }} orientation={'auto' as any} draw={({ value, width: w, height: h, count }: any) => (
        <BigValue
          value={value.display} width={w} height={h} theme={theme} sparkline={value.sparkline} count={count}
          colorMode={panel.options.colorMode} graphMode={panel.options.graphMode} justifyMode={panel.options.justifyMode}
          textMode={panel.options.textMode}
        />
      )} />;
    case 'bargauge':
      return <Values {...{ panel, data, width, height }} orientation={'horizontal' as any} draw={({ value, width: w, height: h, orientation }: any) => (
        <BarGauge
          value={value.display} width={w} height={h} theme={theme} field={value.field} display={value.view?.getFieldDisplayProcessor(value.colIndex)}
          orientation={orientation} displayMode={panel.options.displayMode} showUnfilled={panel.options.showUnfilled}
          valueDisplayMode={panel.options.valueMode}
        />
      )} />;
    case 'timeseries':
      return <TimeSeries frames={data} width={width} height={height} timeRange={timeRange} timeZone="utc" legend={panel.options.legend} options={panel.options} />;
    default:
      return <Table data={data[0]} width={width} height={height} />;
  }
}

async function prepared(panel: any): Promise<any> {
  if (!panel.targets) {
    return panel;
  }
  let data = frames(panel);
  if (panel.transformations) {
    data = await new Promise((done) => transformDataFrame(panel.transformations, data).subscribe(done as any));
  }
  return { ...panel, data: configured(panel, data) };
}

function Board({ panels }: any) {
  const bottom = Math.max(...panels.map((one: any) => one.gridPos.y + one.gridPos.h));
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <h1 style={{ font: `500 22px ${theme.typography.fontFamily}`, padding: '12px 8px' }}>{dashboard.title}</h1>
      <div style={{ position: 'relative', height: bottom * ROW }}>
        {panels.map((panel: any) => {
          const { x, y, w, h } = panel.gridPos;
          const place = { position: 'absolute' as const, left: x * COLUMN + 4, top: y * ROW + 4 };
          if (panel.type === 'row') {
            return <h2 key={panel.id} style={{ ...place, font: `500 16px ${theme.typography.fontFamily}` }}>{panel.title}</h2>;
          }
          return (
            <div key={panel.id} style={place}>
              <PanelChrome title={panel.title} description={panel.description} width={w * COLUMN - 8} height={h * ROW - 8}>
                {(width: number, height: number) => <Viz panel={panel} width={width} height={height} />}
              </PanelChrome>
            </div>
          );
        })}
      </div>
    </ThemeContext.Provider>
  );
}

document.body.style.cssText = `margin:0;background:${theme.colors.background.canvas};color:${theme.colors.text.primary}`;
Promise.all(dashboard.panels.map(prepared)).then((panels) => {
  createRoot(document.getElementById('root')!).render(<Board panels={panels} />);
  setTimeout(() => { window.drawn = true; }, 1500);
});
