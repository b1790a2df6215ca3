// Package grafana is a stand-in for Grafana 10 in tests: the part of its HTTP API
// by which dashboards, folders and data sources are pushed, with its rules for
// versions and its refusals.
package grafana

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/gin-gonic/gin"
)

// Object is a JSON object.
type Object = map[string]any

// Dashboard is one that is stored, with all its versions.
type Dashboard struct {
	ID        int
	FolderUID string
	Data      Object
	Versions  []Version
}

// Version is one saving of a dashboard.
type Version struct {
	Number           int
	Message, SavedBy string
	Data             Object
}

// Server answers as Grafana does. Token is the one it takes; User is who saves
// with it.
type Server struct {
	Token, User string

	mu         sync.Mutex // guards all below
	next       int
	folders    map[string]Object
	dashboards map[string]*Dashboard
	sources    []Object
	refuse     map[string]string // UID to what is wrong with it
	writes     int
}

// New returns a server that holds nothing.
func New(token string) *Server {
	return &Server{Token: token, User: "lubberline", folders: map[string]Object{}, dashboards: map[string]*Dashboard{}, refuse: map[string]string{}}
}

// Refuse lets the server answer 400 to the dashboard of that UID.
func (s *Server) Refuse(uid, message string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse[uid] = message
}

// Writes is how many requests have changed anything.
func (s *Server) Writes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes
}

// Dashboard returns a copy of the one of that UID, nil for none.
func (s *Server) Dashboard(uid string) *Dashboard {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.dashboards[uid]
	if d == nil {
		return nil
	}
	c := *d
	c.Data, c.Versions = maps.Clone(d.Data), slices.Clone(d.Versions)
	return &c
}

// UIDs are those of all dashboards, sorted.
func (s *Server) UIDs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.dashboards))
}

// Sources returns the data sources.
func (s *Server) Sources() []Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sources)
}

// Edit changes a dashboard as a person at the page does: it is saved with a new
// version under that name.
func (s *Server) Edit(uid, by string, change func(Object)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := s.dashboards[uid]
	data := clone(d.Data)
	change(data)
	s.store(d, data, by, "")
}

// ServeHTTP answers a request of the API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.Use(s.authorize)
	api := e.Group("/api")
	api.GET("/org", func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"id": 1, "name": "Main Org."}) })
	api.GET("/folders/:uid", s.getFolder)
	api.POST("/folders", s.postFolder)
	api.GET("/datasources", func(c *gin.Context) { c.JSON(http.StatusOK, withoutSecrets(s.sources)) })
	api.POST("/datasources", s.postSource)
	api.PUT("/datasources/:id", s.putSource)
	api.GET("/dashboards/uid/:uid", s.getDashboard)
	api.GET("/dashboards/id/:id/versions", s.getVersions)
	api.POST("/dashboards/db", s.postDashboard)
	e.NoRoute(func(c *gin.Context) { fail(c, http.StatusNotFound, "Not found") })
	s.mu.Lock()
	defer s.mu.Unlock()
	e.ServeHTTP(w, r)
}

func (s *Server) authorize(c *gin.Context) {
	if c.GetHeader("Authorization") != "Bearer "+s.Token {
		fail(c, http.StatusUnauthorized, "Invalid API key")
		c.Abort()
		return
	}
	if c.Request.Method != http.MethodGet {
		s.writes++
	}
}

func fail(c *gin.Context, status int, message string) { c.JSON(status, gin.H{"message": message}) }

func (s *Server) getFolder(c *gin.Context) {
	f, ok := s.folders[c.Param("uid")]
	if !ok {
		fail(c, http.StatusNotFound, "folder not found")
		return
	}
	c.JSON(http.StatusOK, f)
}

func (s *Server) postFolder(c *gin.Context) {
	var f Object
	if c.BindJSON(&f) != nil {
		return
	}
	uid := fmt.Sprint(f["uid"])
	if _, there := s.folders[uid]; there {
		fail(c, http.StatusPreconditionFailed, "a folder with the same UID already exists")
		return
	}
	s.next++
	f["id"], f["url"], f["version"] = s.next, "/dashboards/f/"+uid+"/x", 1
	delete(f, "created") // empty times are of the client
	s.folders[uid] = f
	c.JSON(http.StatusOK, f)
}

func (s *Server) postSource(c *gin.Context) {
	var d Object
	if c.BindJSON(&d) != nil {
		return
	}
	for _, other := range s.sources {
		if other["name"] == d["name"] || other["uid"] == d["uid"] {
			fail(c, http.StatusConflict, "data source with the same name already exists")
			return
		}
	}
	s.next++
	d["id"], d["readOnly"] = s.next, false
	s.sources = append(s.sources, d)
	c.JSON(http.StatusOK, gin.H{"id": s.next, "message": "Datasource added", "name": d["name"], "datasource": d})
}

func (s *Server) putSource(c *gin.Context) {
	var d Object
	if c.BindJSON(&d) != nil {
		return
	}
	for i, other := range s.sources {
		if fmt.Sprint(other["id"]) == c.Param("id") {
			d["id"], d["readOnly"] = other["id"], false
			s.sources[i] = d
			c.JSON(http.StatusOK, gin.H{"id": other["id"], "message": "Datasource updated", "name": d["name"]})
			return
		}
	}
	fail(c, http.StatusNotFound, "data source not found")
}

// withoutSecrets are the data sources as Grafana lists them.
func withoutSecrets(all []Object) []Object {
	out := []Object{}
	for _, d := range all {
		d = maps.Clone(d)
		delete(d, "secureJsonData")
		out = append(out, d)
	}
	return out
}

func (s *Server) getDashboard(c *gin.Context) {
	d := s.dashboards[c.Param("uid")]
	if d == nil {
		fail(c, http.StatusNotFound, "Dashboard not found")
		return
	}
	last := d.Versions[len(d.Versions)-1]
	url := ""
	if d.FolderUID != "" {
		url = "/dashboards/f/" + d.FolderUID + "/x"
	}
	c.JSON(http.StatusOK, gin.H{"dashboard": d.Data, "meta": gin.H{
		"version": last.Number, "updatedBy": last.SavedBy, "createdBy": d.Versions[0].SavedBy, "folderUid": d.FolderUID, "folderUrl": url,
		"canSave": true, "slug": "x"}})
}

func (s *Server) getVersions(c *gin.Context) {
	for _, d := range s.dashboards {
		if strconv.Itoa(d.ID) != c.Param("id") {
			continue
		}
		all := []gin.H{}
		for _, v := range slices.Backward(d.Versions) {
			all = append(all, gin.H{"id": v.Number, "dashboardId": d.ID, "version": v.Number, "createdBy": v.SavedBy, "message": v.Message})
		}
		c.JSON(http.StatusOK, all)
		return
	}
	fail(c, http.StatusNotFound, "Dashboard not found")
}

// postDashboard saves, with Grafana's rules: another version than the stored
// one, or another dashboard of that title in the folder, is refused with 412
// unless it is to be overwritten.
func (s *Server) postDashboard(c *gin.Context) {
	var q struct {
		Dashboard          Object `json:"dashboard"`
		FolderUID, Message string
		Overwrite          bool
	}
	if err := c.ShouldBindJSON(&q); err != nil || q.Dashboard == nil {
		fail(c, http.StatusBadRequest, "bad request data")
		return
	}
	uid, _ := q.Dashboard["uid"].(string)
	if why, bad := s.refuse[uid]; bad {
		fail(c, http.StatusBadRequest, why)
		return
	}
	if _, ok := s.folders[q.FolderUID]; q.FolderUID != "" && !ok {
		fail(c, http.StatusBadRequest, "folder not found")
		return
	}
	d := s.dashboards[uid]
	if d != nil && !q.Overwrite && fmt.Sprint(q.Dashboard["version"]) != fmt.Sprint(d.Data["version"]) {
		c.JSON(http.StatusPreconditionFailed, gin.H{"status": "version-mismatch", "message": "The dashboard has been changed by someone else"})
		return
	}
	for other, o := range s.dashboards {
		if other != uid && o.FolderUID == q.FolderUID && o.Data["title"] == q.Dashboard["title"] {
			c.JSON(http.StatusPreconditionFailed, gin.H{"status": "name-exists", "message": "A dashboard with the same name in the folder already exists"})
			return
		}
	}
	if d == nil {
		s.next++
		d = &Dashboard{ID: s.next}
		s.dashboards[uid] = d
	}
	d.FolderUID = q.FolderUID
	s.store(d, q.Dashboard, s.User, q.Message)
	c.JSON(http.StatusOK, gin.H{"id": d.ID, "uid": uid, "url": "/d/" + uid + "/x", "status": "success", "version": d.Data["version"], "slug": "x"})
}

// store adds a version.
func (s *Server) store(d *Dashboard, data Object, by, message string) {
	n := len(d.Versions) + 1
	data["id"], data["version"] = float64(d.ID), float64(n)
	d.Data = data
	d.Versions = append(d.Versions, Version{Number: n, Message: message, SavedBy: by, Data: clone(data)})
}

func clone(o Object) Object {
	text, err := json.Marshal(o)
	var out Object
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		panic("BUG: test grafana: " + err.Error())
	}
	return out
}
