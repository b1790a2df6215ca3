package grafana

import "github.com/lubberline/lubberline/dashboards/model"

// size is a panel's own where the model gives none: width of 24, height in
// units of 30 pixels.
func size(p *model.Panel) (w, h int) {
	w, h = defaultSize(p.Kind)
	if p.Width > 0 {
		w = p.Width
	}
	if p.Height > 0 {
		h = p.Height
	}
	return min(w, Columns), h
}

func defaultSize(k model.Kind) (w, h int) {
	switch k {
	case model.Stat, model.Gauge:
		return 4, 4
	case model.Text:
		return Columns, 3
	case model.Table:
		return Columns, 9
	case model.LogLines:
		return Columns, 14
	case model.NodeGraph:
		return Columns, 14
	case model.StateTimeline:
		return Columns, 7
	}
	return Columns / 2, 8
}

// placer hands out places from left to right, line by line. The panels of a
// line get the height of its highest, so that nothing overlaps and no gap opens.
type placer struct {
	x, y, high int
	line       []*Grid
}

func (p *placer) place(g *Grid, w, h int) {
	if p.x+w > Columns {
		p.newLine()
	}
	*g = Grid{H: h, W: w, X: p.x, Y: p.y}
	p.line = append(p.line, g)
	p.x += w
	p.high = max(p.high, h)
}

func (p *placer) newLine() {
	for _, g := range p.line {
		g.H = p.high
	}
	p.y += p.high
	p.x, p.high, p.line = 0, 0, nil
}
